"""Recorded answers become replies, in the authors' shapes and from a table; faults are named."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile

from scripts.common import audio
from scripts.common.errors import UserError
from scripts.rows.jsonl import read_rows
from scripts.rows.systems import Reply
from scripts.systems.import_replies import import_replies
from scripts.systems.recorded import check_answers
from tests import rows as made
from tests.rows import written

ROLES = ("joe", "liyunlong")
NAMES = {"joe": "joe", "liyunlong": "liyunlong", "liyulong": "liyunlong"}
ASKED = {"single": ["Who are you, then?"], "multi": ["Where to?", "And then what?"]}
QUESTIONS = {
    (role, mode, idx): asked for role in ROLES for mode, asked in ASKED.items() for idx in (0, 1)
}
SHAPES = ("numbered", "list", "tsv", "csv", "from_zero")


def dialogues(sets=1):
    """Two test dialogues of each role and mode, once a set of references."""
    return [
        made.dialogue(
            f"{role}-{mode}-{idx + 2 * place}",
            role,
            idx=idx + 2 * place,
            turns=made.exchanges(*((user, "I say.") for user in asked)),
        )
        for place in range(sets)
        for (role, mode, idx), asked in QUESTIONS.items()
    ]


def record(folder, shape="numbered", leave=()):
    """Answers in a folder, in one of the shapes, without those to `leave` out."""
    found = {}
    for number, (key, asked) in enumerate(sorted(QUESTIONS.items())):
        role, mode, idx = key
        for turn, user in enumerate(asked, start=1):
            if (*key, turn) in leave:
                continue
            path = folder / f"audio/{role} {number}.{turn}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            audio.write(path, np.full(8000 + number, 0.1, np.float32), 8000)
            found[*key, turn] = (user, f"I say {number}.{turn}, and no more.", path)
    if shape in ("tsv", "csv", "from_zero"):
        columns = ("role", "mode", "idx", "turn", "audio", "text")
        rows = [
            (*key[:3], key[3] - (shape == "from_zero"), f"audio/{path.name}", text)
            for key, (_, text, path) in found.items()
        ]
        with (folder / f"answers.{shape[:3].replace('fro', 'tsv')}").open("w", newline="") as file:
            table = csv.writer(file, delimiter="," if shape == "csv" else "\t")
            table.writerows([columns, *rows])
        return folder
    for own_role in ROLES:
        for mode in ASKED:
            turns = {
                idx: [
                    {
                        "turn": turn - 1,
                        "user_input": {"text": user},
                        "model_output": {
                            "text": text,
                            "audio_path": f"/elsewhere/audio/{path.name}",
                        },
                    }
                    for (role, of, number, turn), (user, text, path) in found.items()
                    if (role, of, number) == (own_role, mode, idx)
                ]
                for idx in (0, 1)
            }
            about = {"role": own_role}
            document = about | {f"dialogue_{idx}": own for idx, own in turns.items()}
            if shape == "list":
                document = [about | {"dialogue": own} for own in turns.values()]
            name = {"liyunlong": "liyulong"}.get(own_role, own_role)
            path = folder / f"{mode}{'_turn' if shape == 'list' else ''}/{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    return folder


def imported(tmp_path, recorded, sets=1):
    test = written(tmp_path / "test.jsonl", dialogues(sets))
    import_replies(
        test,
        tmp_path / "replies.jsonl",
        tmp_path / "answers",
        name="mine",
        recorded=str(recorded),
        names=NAMES,
        sets=sets,
    )
    return {row.id: row for row in read_rows(tmp_path / "replies.jsonl", Reply)}


def told(recorded, questions=QUESTIONS):
    return check_answers(recorded, "mine", NAMES, questions)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_replies(shape, tmp_path):
    recorded = record(tmp_path / "recorded", shape)
    assert told(recorded) == []
    found = imported(tmp_path, recorded)
    assert len(found) == 8 and not [row for row in found.values() if row.dropped]
    row = found["liyunlong-multi-1"]
    assert (row.system, row.voice_mode, row.mode, row.language) == (
        *("mine", "recorded", "multi", "English"),
    )
    assert [turn.text for turn in row.turns] == [f"I say 5.{n}, and no more." for n in (1, 2)]
    for number, turn in enumerate(row.turns, start=1):
        source = recorded / f"audio/liyunlong 5.{number}.wav"
        assert (tmp_path / "answers" / turn.audio).read_bytes() == source.read_bytes()
        assert turn.seconds == pytest.approx(8005 / 8000, abs=0.001)


def test_the_older_shape_has_one_dialogue(tmp_path):
    recorded = record(tmp_path / "recorded")
    path = recorded / "single/joe.json"
    document = json.loads(path.read_text("utf-8"))
    document["dialogue"] = document.pop("dialogue_0")
    del document["dialogue_1"]
    path.write_text(json.dumps(document), "utf-8")
    found = imported(tmp_path, recorded)
    assert found["joe-single-0"].dropped is None
    assert found["joe-single-1"].dropped == "it has no recorded answers"


def test_a_table_is_given_by_itself_or_with_its_folder(tmp_path):
    recorded = record(tmp_path / "recorded", "tsv")
    assert imported(tmp_path, recorded) == imported(tmp_path, recorded / "answers.tsv")


def test_each_set_of_references_has_the_same_answers(tmp_path):
    found = imported(tmp_path, record(tmp_path / "recorded"), sets=3)
    assert len(found) == 24
    for first, third in (("joe-multi-0", "joe-multi-4"), ("joe-multi-1", "joe-multi-5")):
        assert [turn.text for turn in found[first].turns] == [
            turn.text for turn in found[third].turns
        ]


@pytest.mark.parametrize("shape", ["numbered", "tsv", "from_zero"])
def test_replies_that_miss_a_turn_are_told_and_count_as_missing(shape, tmp_path):
    leave = {("joe", "multi", 0, 2), ("joe", "single", 1, 1)}
    recorded = record(tmp_path / "recorded", shape, leave)
    sentences = " ".join(told(recorded))
    assert "mine: joe, multi 0: turn 2 of 2 is not among the recorded answers" in sentences
    assert "joe, single 1: turn 1 of 1 is not among" in sentences
    assert sentences.count("no whole reply, so its scores count as missing") == 2
    found = imported(tmp_path, recorded)
    assert found["joe-multi-0"].dropped == "turn 2 of 2 is not among the recorded answers"
    assert [turn.text for turn in found["joe-multi-0"].turns] == ["I say 0.1, and no more."]
    assert found["joe-single-1"].dropped == "it has no recorded answers"
    assert len([row for row in found.values() if row.dropped]) == 2


def test_more_missing_than_a_table_allows_is_told_before_they_are_judged(tmp_path):
    recorded = record(tmp_path / "recorded", leave={("joe", "multi", 0, 2)})
    *_, last = check_answers(recorded, "mine", NAMES, QUESTIONS, 0.01)
    assert "mine: 1 of 8 dialogues have no whole reply, more than max_missing (0.01)" in last
    assert "no table will be written; complete the recorded answers, or raise" in last
    assert len(check_answers(recorded, "mine", NAMES, QUESTIONS, 0.2)) == 1


def test_a_turn_without_audio_counts_as_missing(tmp_path):
    recorded = record(tmp_path / "recorded")
    path = recorded / "multi/joe.json"
    document = json.loads(path.read_text("utf-8"))
    document["dialogue_0"][0]["model_output"]["audio_path"] = None
    document["dialogue_1"][0]["model_output"] = None
    path.write_text(json.dumps(document), "utf-8")
    sentences = told(recorded)
    for idx, sentence in enumerate(sentences):
        assert f"joe, multi {idx}: turn 1 of 2 is recorded without audio" in sentence
    assert len(sentences) == 2
    assert imported(tmp_path, recorded)["joe-multi-0"].turns[0].audio is None


def test_audio_of_another_length_than_its_text_is_told(tmp_path):
    recorded = record(tmp_path / "recorded", "tsv")
    path = recorded / "answers.tsv"
    path.write_text(path.read_text("utf-8").replace("0.1, and no", "0.1, " + "and " * 40), "utf-8")
    (sentence,) = told(recorded)
    assert (
        "answers.tsv, line 2: 1.0 s of audio for" in sentence and "judged as recorded" in sentence
    )


def test_answers_that_are_silent_or_cut_off_are_told(tmp_path):
    recorded = record(tmp_path / "recorded", "tsv")
    audio.write(recorded / "audio/joe 0.1.wav", np.zeros(8000, np.float32), 8000)
    path = recorded / "audio/joe 0.2.wav"
    path.write_bytes(path.read_bytes()[:-100])
    silent, cut = told(recorded)
    assert "answers.tsv, line 2: the audio is silent throughout (judged as recorded" in silent
    assert "answers.tsv, line 3: the last 100 bytes of the audio are not there" in cut


def test_what_is_recorded_of_others_is_told(tmp_path):
    some = {key: asked for key, asked in QUESTIONS.items() if key[0] == "joe"}
    (sentence,) = told(record(tmp_path / "recorded"), some)
    assert "released_replies.mine: 4 recorded dialogues are none of this run's" in sentence
    assert sentence.endswith(", as liyunlong, multi 0; they are passed over.")
    assert told(record(tmp_path / "recorded"), None) == []


def edit(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


@pytest.mark.parametrize(
    "shape, change, sentence",
    [
        (
            "tsv",
            lambda home: (home / "answers.tsv").rename(home / "a.doc"),
            "has no folder single_turn",
        ),
        (
            "tsv",
            lambda home: (home / "second.csv").write_text("role"),
            "answers.tsv and .*second.csv are both tables; give one of them",
        ),
        (
            "tsv",
            lambda home: edit(home / "answers.tsv", "\taudio\t", "\tsound\t"),
            "answers.tsv, line 1: unknown column 'sound'",
        ),
        (
            "csv",
            lambda home: edit(home / "answers.csv", "role,mode,idx,turn,audio,text", "role;mode"),
            "answers.csv, line 1: unknown column 'role;mode'.* separated by a comma",
        ),
        (
            "csv",
            lambda home: edit(home / "answers.csv", ",text", ""),
            "answers.csv, line 1: the column 'text' is missing",
        ),
        (
            "csv",
            lambda home: edit(home / "answers.csv", "joe,multi,0,1", "joe,double,0,1"),
            "answers.csv, line 2: mode: 'double' is not one of",
        ),
        (
            "csv",
            lambda home: edit(home / "answers.csv", "joe,multi,0,1", "joe,multi,0"),
            "answers.csv, line 2: there must be 6 cells",
        ),
        (
            "tsv",
            lambda home: edit(home / "answers.tsv", "joe\t", "jo\t"),
            "answers.tsv, line 2: no role of the paper .* is called 'jo'; did you mean 'joe'",
        ),
        (
            "tsv",
            lambda home: edit(home / "answers.tsv", "multi\t0\t2", "multi\t0\t1"),
            "answers.tsv, line 3: this turn is in .*answers.tsv, line 2 already; keep one of them",
        ),
        (
            "tsv",
            lambda home: edit(home / "answers.tsv", "audio/joe 0.1", "audio/jo 0.1"),
            "answers.tsv, line 2: 'audio/jo 0.1.wav' is not in .*; copy the audio there",
        ),
        (
            "tsv",
            lambda home: (home / "audio/joe 0.1.wav").write_bytes(b""),
            "answers.tsv, line 2: .*joe 0.1.wav does not open as audio",
        ),
        (
            "numbered",
            lambda home: (
                edit(home / "multi/joe.json", "dialogue_0", "talk_0")
                or edit(home / "multi/joe.json", "dialogue_1", "talk_1")
            ),
            'joe.json: expected is "dialogue_0"',
        ),
        (
            "numbered",
            lambda home: edit(home / "multi/joe.json", "model_output", "output"),
            "joe.json, dialogue 0, turn 1: model_output: Field required; expected is",
        ),
        (
            "numbered",
            lambda home: edit(home / "multi/joe.json", '"role": "joe"', '"role": "liyulong"'),
            "multi/joe.json: the file is called after role 'joe', but its .* is 'liyulong'",
        ),
        (
            "numbered",
            lambda home: soundfile.write(
                home / "audio/joe 0.1.wav", np.full(8000, np.nan), 8000, subtype="FLOAT"
            ),
            "joe 0.1.wav has samples that are no numbers",
        ),
        (
            "numbered",
            lambda home: (home / "multi/joe.json").write_text('{"role": "joe", '),
            "joe.json is not whole JSON",
        ),
        (
            "numbered",
            lambda home: edit(home / "multi/joe.json", "Where to?", "What is your favourite tea?"),
            "answers 'What is your favourite tea.' where .* asks 'Where to.'.* another split",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_file_and_place(shape, change, sentence, tmp_path):
    recorded = record(tmp_path / "recorded", shape)
    change(recorded)
    with pytest.raises(UserError, match=sentence):
        told(recorded)


def test_answers_for_the_wrong_split_are_refused(tmp_path):
    """Other dialogues, or dialogues with fewer turns."""
    recorded = record(tmp_path / "recorded")
    others = {("joe", mode, idx + 7): asked for (_, mode, idx), asked in QUESTIONS.items()}
    with pytest.raises(UserError, match="answers none of this run's dialogues .*for another split"):
        told(recorded, others)
    short = {key: asked[:1] for key, asked in QUESTIONS.items()}
    with pytest.raises(UserError, match="turn 2 of a dialogue that has 1: .*for another split"):
        told(recorded, short)


def test_a_mode_that_was_not_answered_counts_as_missing(tmp_path):
    recorded = record(tmp_path / "recorded")
    shutil.rmtree(recorded / "multi")
    assert len([text for text in told(recorded) if "multi" in text]) == 4
    found = imported(tmp_path, recorded)
    assert {row.mode for row in found.values() if row.dropped} == {"multi"}


def test_a_place_that_is_none_is_refused(tmp_path):
    with pytest.raises(UserError, match="released_replies.mine: .*nowhere does not exist"):
        told(tmp_path / "nowhere")
    (tmp_path / "answers.xlsx").write_bytes(b"PK")
    with pytest.raises(UserError, match="is neither a folder nor a .tsv or .csv table"):
        told(tmp_path / "answers.xlsx")

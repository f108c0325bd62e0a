"""Other people's sets are read as they are; one bad item never stops the others."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from scripts.common.errors import UserError
from scripts.duplex.import_duplex import import_duplex
from scripts.duplex.layouts import read, recorded
from scripts.rows.duplex import DuplexItem
from scripts.rows.jsonl import read_rows

CONFIG = Path(__file__).resolve().parents[2] / "config/duplex"
RATE = 16_000


def tone(seconds, level=0.3, rate=RATE):
    at = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * 250 * at)).astype(np.float32)


def write(path, samples=None, document=None, rate=RATE, subtype="PCM_16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    if document is not None:
        path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    else:
        soundfile.write(path, tone(3.0) if samples is None else samples, rate, subtype=subtype)


def words(*chunks):
    return {"text": "", "chunks": [{"text": t, "timestamp": [s, e]} for t, s, e in chunks]}


def entry(start, end, **more):
    return [{"text": "[X]", "timestamp": [start, end]} | more]


def run(tmp_path, folder, layout, **changed):
    given = {"name": "mine", "folder": str(folder), "layout": layout}
    import_duplex(
        role_prompts=CONFIG / "role_prompts.yaml",
        item_rows=tmp_path / "mine.jsonl",
        audio=tmp_path / "mine",
        **(given | changed),
    )
    return {row.id: row for row in read_rows(tmp_path / "mine.jsonl", DuplexItem)}


def events(row):
    return [(event.kind, event.start, event.end, event.text) for event in row.events]


@pytest.fixture
def v10(tmp_path):
    root = tmp_path / "data/v1.0"
    item = root / "candor_pause_handling/12"
    write(item / "input.wav")
    write(item / "pause.json", document=entry(1.0, 1.8))
    said = words((" So", 0.1, 0.4), ("then", 0.5, 1.0), ("we", 1.8, 2.2))
    write(item / "transcription.json", document=said)
    item = root / "candor_turn_taking/12"
    write(item / "input.wav")
    write(item / "turn_taking.json", document=[*entry(2.0, 2.6), *entry(1.0, 1.5)])
    item = root / "icc_backchannel/3"
    write(item / "input.wav")
    write(item / "transcription.json", document=words(("Well", 0.2, 0.5), ("no", None, None)))
    item = root / "synthetic_user_interruption/7"
    write(item / "input.wav", tone(9.0))
    write(item / "context.wav", np.concatenate([np.zeros(4800, np.float32), tone(1.0)]))
    more = {"context": "Why?", "interrupt": "Stop.", "extra": 1}
    write(item / "interrupt.json", document=entry(6.0, 7.5, **more))
    return root


def test_version_1_0_is_read_with_its_tasks_and_times(tmp_path, v10):
    rows = run(tmp_path, v10.parent, "fdb-1.0")
    assert {ident: row.task for ident, row in rows.items()} == {
        "v1.0-candor_pause_handling-12": "pause",
        "v1.0-candor_turn_taking-12": "turn",
        "v1.0-icc_backchannel-3": "backchannel",
        "v1.0-synthetic_user_interruption-7": "interruption",
    }
    assert events(rows["v1.0-candor_pause_handling-12"]) == [
        ("user", 0.1, 1.0, "So then"),
        ("pause", 1.0, 1.8, ""),
        ("user", 1.8, 2.2, "we"),
    ]
    assert events(rows["v1.0-candor_turn_taking-12"]) == [("turn_end", 2.0, 2.0, "")]
    assert events(rows["v1.0-icc_backchannel-3"]) == [("user", 0.2, 0.5, "Well")]
    assert events(rows["v1.0-synthetic_user_interruption-7"]) == [
        ("user", 0.3, 1.3, "Why?"),
        ("turn_end", 1.3, 1.3, ""),
        ("interruption", 6.0, 7.5, "Stop."),
    ]
    for row in rows.values():
        samples, rate = soundfile.read(tmp_path / "mine" / row.audio)
        assert rate == RATE and len(samples) / rate == row.seconds and row.note == ""
        assert row.collection == "mine" and row.role_prompt and row.voice is None


def test_a_folder_of_items_needs_a_task_unless_its_name_tells_it(tmp_path, v10):
    rows = run(tmp_path, v10 / "candor_turn_taking", "fdb-1.0")
    assert [row.task for row in rows.values()] == ["turn"]
    other = v10 / "candor_turn_taking"
    other = other.rename(v10 / "mine")
    with pytest.raises(UserError, match=r"'mine': no folder in .* `task`"):
        run(tmp_path, other, "fdb-1.0")
    rows = run(tmp_path, other, "fdb-1.0", task="smooth_turn_taking")
    assert list(rows) == ["mine-12"]
    with pytest.raises(UserError, match="no task 'smooth_turns' .* mean 'smooth_turn_taking'"):
        run(tmp_path, other, "fdb-1.0", task="smooth_turns")


@pytest.fixture
def v15(tmp_path):
    root = tmp_path / "v1.5"
    texts = {
        "user_interruption": "current_turn_text",
        "user_backchannel": "backchannel_text",
        "talking_to_other": "current_turn_text",
        "background_speech": "background_text",
    }
    for name, key in texts.items():
        item = root / name / "1"
        write(item / "input.wav", tone(8.0))
        write(item / "clean_input.wav", tone(8.0, level=0.1))
        write(item / "context.wav", tone(1.5))
        meta = {"context_text": "How?", key: "Oh.", "timestamps": [5.5, 6.25], "voice": 3}
        write(item / "metadata.json", document=meta)
    return root


def test_version_1_5_is_read_with_clean_items(tmp_path, v15):
    rows = run(tmp_path, v15, "fdb-1.5")
    kinds = {
        "user_interruption": ("interruption", "interruption"),
        "user_backchannel": ("user_backchannel", "backchannel"),
        "talking_to_other": ("bystander", "bystander"),
        "background_speech": ("noise", "noise"),
    }
    assert len(rows) == 8
    for name, (task, kind) in kinds.items():
        row, clean = rows[f"{name}-1"], rows[f"{name}-1-clean"]
        question = [("user", 0.0, 1.5, "How?"), ("turn_end", 1.5, 1.5, "")]
        assert events(row) == [*question, (kind, 5.5, 6.25, "Oh.")]
        assert events(clean) == question
        assert (row.task, row.clean, clean.task, clean.clean) == (task, clean.id, task, None)
        assert row.scenario == clean.scenario and row.audio != clean.audio


def test_without_the_question_alone_the_clean_sound_tells_when_it_is(tmp_path, v15):
    (v15 / "talking_to_other/1/context.wav").unlink()
    row = run(tmp_path, v15, "fdb-1.5")["talking_to_other-1"]
    question = [("user", 0.0, 8.0, "How?"), ("turn_end", 8.0, 8.0, "")]
    assert events(row) == [*question, ("bystander", 5.5, 6.25, "Oh.")]


def test_an_item_without_its_clean_sound_has_none(tmp_path, v15):
    (v15 / "user_backchannel/1/clean_input.wav").unlink()
    rows = run(tmp_path, v15, "fdb-1.5")
    assert rows["user_backchannel-1"].clean is None and len(rows) == 7


def spoil(path, how):
    """Make an item of the task `turn` unusable in one way."""
    sound, annotation = path / "input.wav", path / "turn_taking.json"
    nan = tone(3.0)
    nan[8000] = np.nan
    actions = {
        "no sound": sound.unlink,
        "no annotation": annotation.unlink,
        "half": lambda: annotation.write_text('[{"text": "[TURN'),
        "empty list": lambda: annotation.write_text("[]"),
        "text": lambda: annotation.write_text('["x"]'),
        "no time": lambda: annotation.write_text('[{"text": "x", "timestamp": [2.0, null]}]'),
        "backwards": lambda: annotation.write_text('[{"timestamp": [2.0, 1.0]}]'),
        "another's": lambda: annotation.write_text('[{"timestamp": [7.0, 7.5]}]'),
        "no audio": lambda: sound.write_bytes(b"RIFF, not at all"),
        "no sample": lambda: soundfile.write(sound, np.zeros(0), RATE),
        "nan": lambda: soundfile.write(sound, nan, RATE, subtype="FLOAT"),
    }
    actions[how]()


FAULTS = {
    "no sound": r"input\.wav is missing",
    "no annotation": r"turn_taking\.json",
    "half": r"turn_taking\.json is not whole JSON",
    "empty list": r"turn_taking\.json is an empty list",
    "text": r"turn_taking\.json: an object is expected, not 'x'",
    "no time": r"timestamp: \[start, end\] in seconds is expected, not \[2.0, None\]",
    "backwards": "2 to 1 s is no time",
    "another's": "from 7 to 7 s is beyond the sound, which is 3 s long: .* another item's",
    "no audio": r"input\.wav does not open as audio",
    "no sample": r"input\.wav is audio without a sample",
    "nan": r"input\.wav holds values that are no numbers, first at 0\.500 s",
}


def test_each_kind_of_bad_item_is_dropped_with_its_reason_and_stops_no_other(tmp_path):
    root = tmp_path / "smooth_turn_taking"
    for name in ["good", *FAULTS]:
        write(root / name / "input.wav")
        write(root / name / "turn_taking.json", document=entry(2.0, 2.5))
        if name != "good":
            spoil(root / name, name)
    rows = run(tmp_path, root, "fdb-1.0")
    assert len(rows) == len(FAULTS) + 1
    assert rows["smooth_turn_taking-good"].dropped is None
    for name, reason in FAULTS.items():
        row = rows[f"smooth_turn_taking-{name}"]
        assert row.dropped
        assert re.search(reason, row.dropped), row.dropped
        assert not (tmp_path / "mine" / row.audio).exists()


def test_stereo_and_loud_sound_is_noted_and_hidden_files_are_passed_over(tmp_path):
    root = tmp_path / "smooth_turn_taking"
    both = np.stack([tone(3.0, 0.2, 48_000), tone(3.0, 0.6, 48_000)], axis=1)
    write(root / "1/input.wav", both, rate=48_000)
    write(root / "2/input.wav", tone(3.0, 1.25), subtype="FLOAT")
    for name in ("1", "2"):
        write(root / name / "turn_taking.json", document=entry(2.0, 2.5))
        (root / name / "._input.wav").write_bytes(b"\0\5\26\7")
    (root / "._1").write_bytes(b"\0\5\26\7")
    (root / "__MACOSX/1").mkdir(parents=True)
    rows = run(tmp_path, root, "fdb-1.0")
    assert list(rows) == ["smooth_turn_taking-1", "smooth_turn_taking-2"]
    first, second = rows.values()
    assert (first.note, second.note) == (
        "the first of 2 channels",
        "scaled down from a peak of 1.25",
    )
    samples, rate = soundfile.read(tmp_path / "mine" / first.audio)
    assert rate == 48_000 and np.abs(samples).max() == pytest.approx(0.2, abs=1e-3)
    samples, _ = soundfile.read(tmp_path / "mine" / second.audio)
    assert np.abs(samples).max() == pytest.approx(1.0, abs=1e-3)


def test_wrong_paths_and_layouts_are_told(tmp_path, v10):
    with pytest.raises(UserError, match=r"collection 'mine': \S+nowhere does not exist"):
        run(tmp_path, tmp_path / "nowhere", "fdb-1.0")
    with pytest.raises(UserError, match="no layout 'humdail'; did you mean 'humdial'"):
        run(tmp_path, v10, "humdail")
    empty = tmp_path / "pause_handling"
    empty.mkdir()
    with pytest.raises(UserError, match="holds no item of the layout fdb-1.0"):
        run(tmp_path, empty, "fdb-1.0")
    with pytest.raises(UserError, match=r"is no folder; give the folder"):
        run(tmp_path, v10 / "candor_turn_taking/12/input.wav", "fdb-1.0")
    only = v10 / "synthetic_user_interruption"
    with pytest.raises(UserError, match=r"none of the 1 items .* can be used; .*metadata\.json"):
        run(tmp_path, only, "fdb-1.5")


def test_a_sample_of_the_systems_voice_is_taken_along(tmp_path, v10):
    write(tmp_path / "voice.wav", tone(2.0))
    given = {"voice": str(tmp_path / "voice.wav"), "voice_text": "Good day."}
    rows = run(tmp_path, v10, "fdb-1.0", **given)
    assert {(row.voice, row.voice_text) for row in rows.values()} == {("voice.flac", "Good day.")}
    assert (tmp_path / "mine/voice.flac").is_file()
    with pytest.raises(UserError, match=r"'mine': voice: \S+no\.wav is missing"):
        run(tmp_path, v10, "fdb-1.0", voice=str(tmp_path / "no.wav"))


def segments(*spoken):
    return {"speech_segments": [{"xmin": s, "xmax": e, "text": t} for s, e, t in spoken]}


@pytest.fixture
def humdial(tmp_path):
    root = tmp_path / "humdial/test"
    question, later = (0.5, 2.0, "How?"), (7.0, 8.0, "Oh.")
    plans = {
        "en_test_nondev/ask": (question, later),
        "en_test_nondev/wait": (question, later),
        "en_test_nondev/backchannel": (question, later),
        "en_test_nondev/talk_to_others": (question, (4.0, 5.0, "And?"), later),
        "en_test_nondev/others_talk_to_user_after": (question, later),
        "en_test_nondev/others_talk_to_user_before": (question, later),
        "cn_test_nondev/pause": ((0.5, 4.0, "我想[break]问你"),),
    }
    for place, spoken in plans.items():
        write(root / place / "0003_0011.wav", tone(10.0))
        write(root / place / "0003_0011.json", document=segments(*spoken))
    chunks = words(("我", 0.5, 0.8), ("想", 0.9, 1.2), ("问", 2.9, 3.4), ("你", 3.5, 4.0))
    write(root / "cn_test_nondev/pause/0003_0011_timestamp.json", document=chunks)
    write(root / "en_test_nondev/ask/clean_0003_0011.wav", tone(10.0))
    write(root / "en_test_nondev/ask/0003_0011_output.wav", tone(10.0))
    write(root / "en_test_nondev/ask/0003_0011_output.json", document=words((" Yes", 3.0, 3.5)))
    return root.parent


def test_humdial_is_read_by_category(tmp_path, humdial):
    rows = run(tmp_path, humdial, "humdial")
    name = "test-{}_test_nondev-{}-0003_0011".format
    assert len(rows) == 8
    question = [("user", 0.5, 2.0, "How?"), ("turn_end", 2.0, 2.0, "")]
    for category, task, kind in [
        ("ask", "interruption", "interruption"),
        ("wait", "interruption", "interruption"),
        ("backchannel", "user_backchannel", "backchannel"),
        ("others_talk_to_user_after", "bystander", "bystander"),
    ]:
        row = rows[name("en", category)]
        assert (row.task, row.language, row.dropped) == (task, "English", None)
        assert events(row) == [*question, (kind, 7.0, 8.0, "Oh.")]
    before = rows[name("en", "others_talk_to_user_before")]
    assert [event.kind for event in before.events] == ["bystander", "user", "turn_end"]
    others = rows[name("en", "talk_to_others")]
    kinds = [event.kind for event in others.events]
    assert kinds == ["user", "turn_end", "user", "turn_end", "bystander"]
    pause = rows[name("cn", "pause")]
    assert (pause.task, pause.language) == ("pause", "Chinese")
    assert events(pause) == [
        ("user", 0.5, 1.2, "我想"),
        ("pause", 1.2, 2.9, ""),
        ("user", 2.9, 4.0, "问你"),
        ("turn_end", 4.0, 4.0, ""),
    ]
    ask = rows[name("en", "ask")]
    assert events(rows[given_clean(ask)]) == question
    assert ask.scenario == before.scenario != pause.scenario  # a speaker of one language


def given_clean(row):
    assert row.clean == f"{row.id}-clean"
    return row.clean


def test_humdial_of_other_names_and_without_annotations(tmp_path, humdial):
    folder = humdial / "test/en_test_nondev/ask"
    write(folder / "0004_0001.wav", tone(9.0))
    write(folder / "0004_0001_sentence.json", document=segments((0.5, 2.0, "a"), (5.0, 6.0, "b")))
    write(folder / "0004_0001.json", document=words(("what a recogniser heard", 0.5, 2.0)))
    write(folder / "0005_0001.wav", tone(9.0))
    write(folder / "0006_0001.wav", tone(9.0))
    write(folder / "0006_0001.json", document=segments((0.5, 2.0, "only one")))
    write(folder / "0007_0001.json", document=segments((0.5, 2.0, "a"), (5.0, 6.0, "b")))
    write(folder / "0008_0001.wav", tone(9.0))
    write(folder / "0008_0001.json", document={"speech_segments": "none"})
    folder = folder.rename(humdial / "Some")
    with pytest.raises(UserError, match="`task`"):
        run(tmp_path, folder, "humdial")
    rows = run(tmp_path, folder, "humdial", task="ask")
    good = {ident for ident, row in rows.items() if row.dropped is None}
    assert good == {"Some-0003_0011", "Some-0003_0011-clean", "Some-0004_0001"}
    assert "0005_0001.json is missing" in rows["Some-0005_0001"].dropped
    assert "1 of the 2 segments" in rows["Some-0006_0001"].dropped
    assert "0007_0001.wav is missing" in rows["Some-0007_0001"].dropped
    assert 'no list of "speech_segments"' in rows["Some-0008_0001"].dropped


def test_a_pause_without_word_times_is_not_guessed(tmp_path, humdial):
    folder = humdial / "test/cn_test_nondev/pause"
    write(folder / "0003_0012.wav", tone(10.0))
    write(folder / "0003_0012.json", document=segments((0.5, 4.0, "我想[break]问你")))
    rows = run(tmp_path, folder, "humdial")
    assert "0003_0012_timestamp.json is missing" in rows["pause-0003_0012"].dropped


def test_recorded_answers_are_found_beside_the_items(tmp_path, v10, v15, humdial):
    item = v10 / "candor_pause_handling/12"
    write(item / "output.wav", tone(3.0, rate=24_000), rate=24_000)
    pause, turn, *_ = read(v10, "fdb-1.0", None, "x")
    assert recorded(pause) == (item / "output.wav", None)
    write(item / "output.json", document=words((" Well", 0.5, 0.8), ("yes", 0.8, 1.0)))
    _, said = recorded(pause)
    assert [(w.word, w.start, w.end) for w in said] == [("Well", 0.5, 0.8), ("yes", 0.8, 1.0)]
    write(item / "output.json", document={"text": "", "chunks": []})
    assert recorded(pause)[1] == []
    write(item / "output.json", document=words(("Well", 0.5, None)))
    with pytest.raises(
        UserError, match=r"output\.json: 'Well': .* recorded answer to candor_pause"
    ):
        recorded(pause)
    with pytest.raises(UserError, match=r"output\.wav is missing; it should be the recorded"):
        recorded(turn)
    clean, whole = read(v15 / "user_backchannel", "fdb-1.5", None, "x")
    assert (clean.answer.name, whole.answer.name) == ("clean_output.wav", "output.wav")
    ask = next(one for one in read(humdial, "humdial", None, "x") if "-ask-" in one.id)
    one = next(
        one for one in read(humdial, "humdial", None, "x") if one.clean and "-ask-" in one.id
    )
    assert ask.answer.name == "clean_0003_0011_output.wav"
    path, said = recorded(one)
    assert path.name == "0003_0011_output.wav" and [w.word for w in said] == ["Yes"]


def test_answers_can_be_recorded_in_a_folder_without_the_inputs(tmp_path, v10):
    other = tmp_path / "answers/candor_turn_taking/12"
    write(other / "output.wav")
    (found,) = read(tmp_path / "answers", "fdb-1.0", None, "x")
    (mine,) = read(v10 / "candor_turn_taking", "fdb-1.0", None, "x")
    assert found.fault and found.id == mine.id
    assert recorded(found)[0] == other / "output.wav"

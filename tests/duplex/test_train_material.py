"""Training material: texts, times, files, and what it may not share with tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scripts.backends.duplex import RATE
from scripts.common.errors import UserError
from scripts.duplex.train_dialogues import Dialogue, refuse_overlap, written
from scripts.duplex.train_material import LEAD, gap, placed, voices_of
from tests.duplex.training import ROOT, SCENARIOS, TEMPLATES, run


def changed_templates(folder: Path, change) -> Path:
    document = yaml.safe_load(TEMPLATES.read_text("utf-8"))
    change(document)
    file = folder / "changed.yaml"
    file.write_text(yaml.safe_dump(document), "utf-8")
    return file


def test_files_are_those_of_the_rows(tmp_path, monkeypatch):
    rows = run(tmp_path, monkeypatch)
    assert [row.kind for row in rows] == ["service"] * 6 + ["question"] * 4
    folder, below = tmp_path / "material", 0
    listed = [json.loads(line) for line in (folder / "data.jsonl").read_text().splitlines()]
    assert listed == [{"path": row.audio, "duration": row.seconds} for row in rows]
    for row in rows:
        both, rate = soundfile.read(folder / row.audio, dtype="float32")
        assert rate == RATE and both.shape[1] == 2 and len(both) == round(row.seconds * RATE)
        assert len(both) % 1920 == 0
        for channel, speaker in enumerate(("agent", "caller")):
            lines = [line for line in row.lines if line.speaker == speaker]
            silent = np.ones(len(both), bool)
            for line in lines:
                start, end = round(line.start * RATE), round(line.end * RATE)
                assert np.abs(both[start:end, channel]).max() > 0.01
                silent[start:end] = False
                assert line.words[0].start == line.start and line.words[-1].end == line.end
                assert " ".join(word.word for word in line.words) == line.text
            assert not both[silent, channel].any()
        sample = soundfile.info(folder / row.voice)
        assert sample.samplerate == RATE and row.voice_text not in [x.text for x in row.lines]
        pairs = zip(row.lines, row.lines[1:], strict=False)
        below += sum(later.start < line.end for line, later in pairs)
        beside = json.loads((folder / row.audio).with_suffix(".json").read_text("utf-8"))
        agent = [w for line in row.lines if line.speaker == "agent" for w in line.words]
        assert beside["alignments"] == [[w.word, [w.start, w.end], "SPEAKER_MAIN"] for w in agent]
        assert beside["role_prompt"] == row.role_prompt and beside["voice"] == row.voice
        assert beside["loss_weights"] == {"acoustic": 0.02, "padding": 0.3}
    assert 0 < below < sum(len(row.lines) - 1 for row in rows)
    card = (tmp_path / "card.md").read_text("utf-8")
    assert "first_codebook_weight_multiplier: 50" in card and "text_padding_weight: 0.3" in card
    assert "| service | 6 | 0 |" in card and "| question and answer | 4 | 0 |" in card


def test_a_dialogue_does_not_depend_on_how_many_there_are(tmp_path):
    few, many = (written(TEMPLATES, "Teach.", n, n, 1) for n in (3, 40))
    assert few == [own for own in many if own in few] and len(few) == 6
    assert len({own.lines for own in many}) == len(many)
    assert {own.role_prompt for own in many if own.kind == "question"} == {"Teach."}
    other = written(TEMPLATES, "Teach.", 3, 3, 2)
    assert [own.lines for own in other] != [own.lines for own in few]


def test_the_templates_share_nothing_with_the_tests():
    refuse_overlap(SCENARIOS, written(TEMPLATES, "Teach.", 400, 100, 7), TEMPLATES)


def test_what_the_tests_have_is_refused_by_name(tmp_path, monkeypatch):
    person = SCENARIOS[0].name
    file = changed_templates(tmp_path, lambda own: own.update(people=[person]))
    with pytest.raises(
        UserError, match=f"'{person}' of scenario '{SCENARIOS[0].id}' .in service-0"
    ):
        run(tmp_path, monkeypatch, templates=file)


def test_a_question_of_the_tests_is_refused(tmp_path, monkeypatch):
    line = yaml.safe_load((ROOT / "known.yaml").read_text("utf-8"))["openers"][0]
    file = changed_templates(
        tmp_path, lambda own: own["questions"].update(pairs=[[line.upper(), "It can."]])
    )
    with pytest.raises(UserError, match=r"is in the training dialogue question-00001, too"):
        run(tmp_path, monkeypatch, templates=file)


def test_a_line_that_cannot_be_spoken_drops_its_dialogue_alone(tmp_path, monkeypatch):
    file = changed_templates(
        tmp_path, lambda own: own["questions"]["pairs"].append(["Is this refused?", "It is."])
    )
    rows = run(tmp_path, monkeypatch, templates=file, questions=60, service=1)
    lost = [row for row in rows if row.dropped]
    assert 0 < len(lost) < 30 and all("refused?' cannot be spoken: not" in r.dropped for r in lost)
    assert len((tmp_path / "material/data.jsonl").read_text().splitlines()) == 61 - len(lost)
    assert f"- {lost[0].id}: " in (tmp_path / "card.md").read_text("utf-8")


def test_voices_of_tests_speak_for_no_agent():
    stock = [{"voice": name} for name in ("a", "b", "c")]
    dialogues = [Dialogue(str(n), "question", "", "", "", ()) for n in range(40)]
    pairs = [voices_of(own, stock, ["a"], 1) for own in dialogues]
    assert {agent["voice"] for agent, _ in pairs} == {"b", "c"}
    assert all(agent != caller for agent, caller in pairs)
    with pytest.raises(UserError, match="3 voices, and 0 that are not held out"):
        voices_of(dialogues[0], stock, ["a", "b", "c"], 1)


@given(
    lengths=st.lists(st.integers(1, 4000), min_size=2, max_size=8),
    limits=st.tuples(st.integers(-3000, 3000), st.integers(0, 3000)),
    seed=st.integers(0, 99),
)
def test_lines_of_a_speaker_never_overlap(lengths, limits, seed):
    limits = (limits[0], max(limits[0], limits[1]))
    speakers = ["agent", "caller"] * 4
    own = Dialogue(
        "x", "service", "", "", "", tuple((by, "a b") for by in speakers[: len(lengths)])
    )
    lines = placed(own, lengths, limits, seed)
    assert lines[0].start == LEAD / 1000
    for line, later in zip(lines, lines[1:], strict=False):
        between = round(1000 * (later.start - line.end))
        assert limits[0] <= between <= max(limits[1], limits[0])
        shorter = min(line.end - line.start, later.end - later.start)
        assert between >= -500 * shorter - 1 and later.start >= line.start
    for line, after in zip(lines, lines[2:], strict=False):
        assert after.start >= line.end - 1e-6


def test_gaps_take_all_of_their_range():
    found = {gap(10_000, (-2, 2), n) for n in range(200)}
    assert found == {-2, -1, 0, 1, 2} and {gap(0, (-2, -1), n) for n in range(9)} == {0}


def test_bad_settings_and_templates(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="gaps must be the least and the greatest"):
        run(tmp_path, monkeypatch, gaps=[1.0, 0.0])
    with pytest.raises(UserError, match="no more than about .* different ones"):
        run(tmp_path, monkeypatch, questions=5000)
    file = changed_templates(tmp_path, lambda own: own["errands"]["order"]["turns"].pop(1))
    with pytest.raises(UserError, match="errands.order: line 2 is by the agent"):
        run(tmp_path, monkeypatch, templates=file)
    file = changed_templates(tmp_path, lambda own: own["errands"]["order"]["facts"].append("{x}"))
    with pytest.raises(UserError, match="a part in braces is unknown"):
        written(file, "Teach.", 60, 0, 1)
    file = changed_templates(tmp_path, lambda own: own.pop("days"))
    with pytest.raises(UserError, match="days"):
        written(file, "Teach.", 1, 0, 1)

"""The stage judge, with a judge that scores by the length of the speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts import backends
from scripts.backends.judge import Scores, Trial, read_metrics
from scripts.common import audio
from scripts.common.errors import UserError
from scripts.judging.judge import CLIPS, judge
from scripts.rows.jsonl import read_rows, write_rows
from scripts.rows.judging import Verdict
from scripts.workflow.model_spec import ModelSpec
from tests.judging.tiny import PERSON, dialogue, reply, spoken, voice

TABLE = Path(__file__).resolve().parents[2] / "config" / "metrics.tsv"
METRICS = [row.id for row in read_metrics(TABLE)]


class Ruler:
    integer_scores = False

    def __init__(self):
        self.pairs = []

    def judge(self, pairs, metrics):
        self.pairs += pairs
        return [[self.score(pair, metric) for metric in metrics] for pair in pairs]

    def score(self, pair, metric):
        if metric.id == "EA":
            return Scores(None, None, "listened", raw="8 or 9", reason="no number")
        return Scores(len(pair.test.audio[0].samples) / 1600, 5.0, "measured")


@pytest.fixture
def shard(tmp_path, monkeypatch):
    """Runs judge on replies {id: reason for having none, or None}; returns rows and the judge."""

    def run(replies: dict[str, str | None], unspoken=(), dialogues=None, others=2):
        ruler = Ruler()
        monkeypatch.setattr(backends, "load", lambda spec: ruler)
        for name, samples in (("test.flac", 3200), ("ref.flac", 8000), ("clip.flac", 1600)):
            audio.write(tmp_path / name, np.full(samples, 0.1, np.float32))
        ids = dialogues or replies
        write_rows(tmp_path / "test.jsonl", [dialogue(name) for name in ids])
        write_rows(tmp_path / "replies.jsonl", [reply(*item) for item in replies.items()])
        write_rows(tmp_path / "spoken.jsonl", [spoken(name, name in unspoken) for name in ids])
        write_rows(tmp_path / "profiles.jsonl", [PERSON])
        write_rows(tmp_path / "voices.jsonl", [voice(others)])
        rows = ("replies", "test", "spoken", "profiles", "voices", "verdicts")
        judge(
            **{name: tmp_path / f"{name}.jsonl" for name in rows},
            **{name: tmp_path for name in ("answers", "speech", "clips")},
            metrics=TABLE,
            name="ruler",
            judge=ModelSpec("judge", "made"),
        )
        return read_rows(tmp_path / "verdicts.jsonl", Verdict), ruler

    return run


def test_a_row_an_item_and_metric(shard):
    rows, ruler = shard({"b": None, "a": None})
    assert [(row.id, row.metric) for row in rows] == [(i, m) for i in "ab" for m in METRICS]
    first = rows[0]
    assert (first.system, first.judge, first.role, first.idx) == ("echo", "ruler", "joe", 1)
    assert (first.score_test, first.score_ref, first.rationale) == (2.0, 5.0, "measured")
    assert first.pool == "out_of_domain" and first.dropped is None
    pair = ruler.pairs[0]
    assert pair.questions == ("Who are you?",) and pair.profile == "Flies.\nOwes."
    assert pair.test.text == ("Joe.",) and pair.reference.text == ("A pilot.",)
    assert len(pair.reference.audio[0].samples) == 8000 and len(pair.clips) == 3
    assert (first.trials, first.version, first.system_version, first.cut) == ([], None, None, 0)


def test_what_the_judge_was_asked_and_who_answered_is_kept(shard, monkeypatch):
    trials = (
        Trial(order="test first", sample=0, test=8, reference=6),
        Trial(order="reference first", sample=0, test=5, reference=6),
    )
    asked = Scores(6.5, 6.0, "heard", trials=trials, asked="ears", version="ears-2", cut=1)
    monkeypatch.setattr(Ruler, "score", lambda self, pair, metric: asked)
    answered = reply("a", None).model_copy(update={"asked": "mouth", "version": "mouth-1"})
    monkeypatch.setitem(globals(), "reply", lambda *_: answered)
    rows, _ = shard({"a": None})
    assert {(row.asked, row.version, row.cut) for row in rows} == {("ears", "ears-2", 1)}
    assert {(row.system_asked, row.system_version) for row in rows} == {("mouth", "mouth-1")}
    assert rows[0].trials == list(trials)


def test_audio_is_not_read_before_a_judge_asks_for_it(shard, monkeypatch):
    def unread(*_):
        raise AssertionError("it was read")

    monkeypatch.setattr(audio, "read", unread)
    monkeypatch.setattr(audio.soundfile, "info", unread)
    monkeypatch.setattr(Ruler, "score", lambda self, pair, metric: Scores(3, 5, "guessed"))
    rows, ruler = shard({"a": None, "b": None})
    assert len(rows) == 2 * len(METRICS) and ruler.pairs[0].test.audio[0].seconds == 0.2
    assert ruler.pairs[0].clips[0] is ruler.pairs[1].clips[0]  # so a role's clips are read once


def test_a_missing_score_keeps_reason_and_raw_reply(shard):
    rows, _ = shard({"a": None})
    row = next(row for row in rows if row.metric == "EA")
    assert row.score_test is None and row.score_ref is None
    assert (row.dropped, row.raw) == ("no number", "8 or 9")


@pytest.mark.parametrize("value", [0, 11, 0.99, float("nan"), True])
def test_a_score_off_the_scale_is_missing_and_never_clamped(shard, monkeypatch, value):
    off = Scores(value, 5.0, "measured")
    monkeypatch.setattr(Ruler, "score", lambda self, pair, metric: off)
    rows, _ = shard({"a": None})
    assert all(row.score_test is None and row.score_ref is None for row in rows)
    assert {row.dropped for row in rows} == {
        f"the judge gave {value} and 5.0, not scores from 1 to 10"
    }
    assert {row.rationale for row in rows} == {"measured"}


def test_a_judge_of_whole_numbers_gives_no_fractions(shard, monkeypatch):
    monkeypatch.setattr(Ruler, "integer_scores", True)
    monkeypatch.setattr(Ruler, "score", lambda self, pair, metric: Scores(8.5, 5.0, "heard"))
    rows, _ = shard({"a": None})
    assert {(row.score_test, row.dropped) for row in rows} == {
        (None, "the judge gave 8.5 and 5.0, not whole numbers from 1 to 10")
    }


def test_what_cannot_be_judged_says_why_for_every_metric(shard):
    rows, ruler = shard({"a": "turn 1: empty", "b": None}, unspoken=["b"])
    assert not ruler.pairs and len(rows) == 2 * len(METRICS)
    assert {row.dropped for row in rows} == {
        "no whole reply: turn 1: empty",
        "no reference: no voice",
    }
    assert all(row.score_test is None for row in rows)


def test_a_language_that_is_not_spoken_is_no_failure(shard, monkeypatch):
    unspoken = reply("a", "it does not speak English").model_copy(update={"offered": False})
    monkeypatch.setitem(globals(), "reply", lambda *_: unspoken)
    rows, _ = shard({"a": None})
    assert {(row.offered, row.dropped) for row in rows} == {(False, "it does not speak English")}


def test_what_a_service_will_not_voice_is_marked_in_its_verdicts(shard, monkeypatch):
    unspoken = reply("a", "turn 1: no voice").model_copy(update={"voiced": False})
    monkeypatch.setitem(globals(), "reply", lambda *_: unspoken)
    rows, ruler = shard({"a": None})
    assert not ruler.pairs and not any(row.voiced for row in rows)


def test_only_some_of_many_clips_are_listened_to(shard):
    _, ruler = shard({"a": None}, others=30)
    assert len(ruler.pairs[0].clips) == CLIPS


def test_a_lost_reply_row_is_told(shard):
    with pytest.raises(UserError, match="no row for the test dialogue b"):
        shard({"a": None}, dialogues=["a", "b"])


def test_no_test_dialogues_load_no_judge(shard):
    rows, ruler = shard({})
    assert rows == [] and not ruler.pairs

"""converse, with systems whose sides are too long, too short, unusable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from scripts import backends
from scripts.backends.asr import Word
from scripts.backends.duplex import RATE, Side
from scripts.common import audio
from scripts.common.errors import UserError
from scripts.duplex.converse import converse
from scripts.rows.duplex import Conversation
from scripts.rows.jsonl import read_rows
from scripts.workflow.model_spec import ModelSpec
from tests.rows import duplex as made
from tests.rows import written

OWN = 16_000  # Hz of the system's side


class Scripted:
    """Answers each call by its length in seconds, from a table."""

    rate, voice_mode, takes_role = OWN, "own", True

    def __init__(self, sides: dict[float, Side]):
        self.sides, self.calls = sides, []

    def converse(self, calls):
        self.calls += calls
        return [self.sides[len(call.user) / RATE] for call in calls]


def side(seconds: float, **fields) -> Side:
    return Side(np.full(round(seconds * OWN), 0.25, np.float32), None, 0.1, **fields)


def said(word: str, start: float, end: float) -> Side:
    return replace(side(1.0), words=[Word(word, start, end)])


@pytest.fixture
def run(tmp_path, monkeypatch):
    def with_items(system, items: dict[str, float], **fields) -> dict[str, Conversation]:
        monkeypatch.setattr(backends, "load", lambda spec: system)
        users = tmp_path / "user"
        users.mkdir(exist_ok=True)
        for name, seconds in items.items():
            audio.write(users / f"{name}.flac", np.zeros(round(seconds * RATE), np.float32), RATE)
        rows = [made.item(name, seconds=seconds, **fields) for name, seconds in items.items()]
        converse(
            item_rows=written(tmp_path / "items.jsonl", rows),
            user_audio=users,
            conversations=tmp_path / "out.jsonl",
            audio=tmp_path / "out",
            name="scripted",
            duplex=ModelSpec("duplex", "made"),
            seed=7,
        )
        return {row.id: row for row in read_rows(tmp_path / "out.jsonl", Conversation)}

    return with_items


def length(tmp_path: Path, row: Conversation) -> float:
    return soundfile.info(tmp_path / "out" / str(row.audio)).duration


def test_a_side_is_as_long_as_the_users(run, tmp_path):
    system = Scripted({1.0: side(1.0), 2.0: side(1.5), 3.0: side(3.5), 4.0: side(4.05)})
    rows = run(system, {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0})
    assert [length(tmp_path, row) for row in rows.values()] == [1, 2, 3, 4]
    # Half a second was missing, half a second too much; a frame is nothing to tell.
    assert [row.resized for row in rows.values()] == [0, 0.5, -0.5, 0]


@pytest.mark.parametrize(
    "bad, reason",
    [
        (Side(None, None, 0.0, "the server stalled"), "the server stalled"),
        (Side(None, None, 0.0), "no audio"),
        (side(1.0, reason="its second answer failed"), "its second answer failed"),
        (Side(np.zeros(0, np.float32), None, 0.0), "empty"),
        (Side(np.full(OWN, np.nan, np.float32), None, 0.0), "no numbers"),
        (Side(np.zeros((OWN, 2), np.float32), None, 0.0), "one channel"),
        (Side(np.zeros(OWN, np.int16), None, 0.0), "int16; it must be an array of float32"),
        (Side([0.0] * OWN, None, 0.0), "list; it must be an array"),
        (np.zeros(OWN, np.float32), "ndarray instead of a Side"),
        (None, "NoneType instead of a Side"),
        (replace(side(1.0), compute=None), "`compute` is None"),
        (said("late", 50.0, 60.0), "'late' is from 50.0 to 60.0 s of a side of 1.00 s"),
        (said("back", 0.6, 0.2), "'back' is from 0.6"),
        (said("none", float("nan"), 0.2), "'none' is from nan"),
        (replace(side(1.0), words=[("a", 0.1, 0.2)]), "instead of a Word"),
    ],
)
def test_one_bad_side_stops_no_other(run, bad, reason):
    rows = run(Scripted({1.0: bad, 2.0: side(2.0)}), {"a": 1.0, "b": 2.0})
    assert reason in rows["a"].dropped and rows["a"].audio is None
    assert rows["b"].dropped is None


def test_an_item_that_cannot_be_used_is_told(run, tmp_path):
    system = Scripted({1.0: side(1.0), 2.0: side(2.0)})
    rows = run(system, {"a": 1.0, "b": 2.0}, voice="gone.flac")
    assert all("gone.flac" in row.dropped for row in rows.values()) and system.calls == []


def test_seeds_differ_by_item_and_are_recorded(run):
    system = Scripted({1.0: side(1.0), 2.0: side(2.0)})
    rows = run(system, {"a": 1.0, "b": 2.0})
    assert [call.seed for call in system.calls] == [row.seed for row in rows.values()]
    assert rows["a"].seed != rows["b"].seed


def test_words_and_the_service_are_kept(run):
    told = side(1.0, asked="m", version="m-1")
    words = [Word("hi", 0.1, 0.4)]
    rows = run(Scripted({1.0: Side(told.audio, words, 0.5, None, "m", "m-1")}), {"a": 1.0})
    assert rows["a"].words and rows["a"].words[0].word == "hi"
    assert (rows["a"].asked, rows["a"].version, rows["a"].compute) == ("m", "m-1", 0.5)


def test_words_are_in_order_and_end_with_a_side_that_was_cut(run):
    words = [Word("c", 1.2, 1.3), Word("b", 0.9, 1.1), Word("a", 0.1, 0.4)]
    rows = run(Scripted({1.0: replace(side(1.5), words=words)}), {"a": 1.0})
    found = [(word.word, word.start, word.end) for word in rows["a"].words or []]
    assert found == [("a", 0.1, 0.4), ("b", 0.9, 1.0)]


def test_a_side_beyond_full_scale_is_scaled_and_told(run, tmp_path, capsys):
    rows = run(Scripted({1.0: Side(np.full(OWN, 4.0), None, 0.1)}), {"a": 1.0})
    assert (
        rows["a"].dropped is None
        and "a is scaled down from a peak of 4.00" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "fields, sentence",
    [
        ({"voice_mode": "mine"}, "`voice_mode` of its backend is 'mine'; it must be one of cloned"),
        ({"voice_mode": None}, "`voice_mode` of its backend is None"),
        ({"rate": 16_000.0}, "`rate` of its backend is 16000.0; it must be a whole number"),
        ({"converse": lambda calls: [side(1.0)] * 2}, "returned 2 sides for 1 calls"),
        ({"converse": lambda calls: None}, "NoneType"),
    ],
)
def test_a_backend_that_breaks_the_contract_is_told_by_name(run, fields, sentence):
    system = Scripted({})
    for name, value in fields.items():
        setattr(system, name, value)
    with pytest.raises(UserError, match=f"scripted: .*{sentence}"):
        run(system, {"a": 1.0})


def test_what_a_backend_raises_has_a_note_for_its_author(run):
    with pytest.raises(KeyError) as caught:
        run(Scripted({}), {"a": 1.0})
    assert "scripted: its backend raised this" in caught.value.__notes__[0]

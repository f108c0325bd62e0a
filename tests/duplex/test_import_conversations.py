"""Recorded sides: as they are, and told where one is missing."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import soundfile

from scripts.common.errors import UserError
from scripts.duplex.import_conversations import import_conversations
from scripts.rows.duplex import Conversation
from scripts.rows.jsonl import read_rows
from tests.rows import duplex as made
from tests.rows import written


def taken(tmp_path, rows, **given) -> dict[str, Conversation]:
    import_conversations(
        item_rows=written(tmp_path / "items.jsonl", rows),
        conversations=tmp_path / "out.jsonl",
        audio=tmp_path / "out",
        name="theirs",
        folder=str(tmp_path / "theirs"),
        **given,
    )
    return {row.id: row for row in read_rows(tmp_path / "out.jsonl", Conversation)}


def record(home, seconds: float, rate: int = 16_000, words=None):
    home.mkdir(parents=True)
    soundfile.write(home / "output.wav", np.full(round(seconds * rate), 0.2), rate)
    if words is not None:
        chunks = [{"text": word, "timestamp": times} for word, *times in words]
        (home / "output.json").write_text(json.dumps({"text": "", "chunks": chunks}))


def test_sides_lie_where_the_items_lie(tmp_path):
    rows = [
        made.item("a", audio="turn/a/input.wav"),
        made.item("b", audio="turn/b/input.wav"),
        made.item("c", audio="turn/c/input.wav", dropped="not spoken"),
    ]
    record(tmp_path / "theirs/turn/a", 1.5, 22_050, [("hello", 0.2, 0.6)])
    found = taken(tmp_path, rows)
    assert found["a"].seconds == 1.5 and found["a"].sample_rate == 22_050
    assert [(word.word, word.start) for word in found["a"].words or []] == [("hello", 0.2)]
    assert "output.wav is missing" in str(found["b"].dropped)
    assert found["c"].dropped == "there is no item: not spoken"


def test_sides_of_a_published_layout_are_found_by_the_items_name(tmp_path):
    for number in (1, 2):
        home = tmp_path / "theirs/candor_turn_taking" / str(number)
        record(home, 2.0)
        soundfile.write(home / "input.wav", np.zeros(16_000), 16_000)
        mark = [{"text": "[TURN-TAKING]", "timestamp": [0.5, 0.6]}]
        (home / "turn_taking.json").write_text(json.dumps(mark))
    from scripts.duplex.layouts import read

    ids = [one.id for one in read(tmp_path / "theirs", "fdb-1.0", None, "x")]
    rows = [made.item(ident) for ident in ids] + [made.item("elsewhere")]
    found = taken(tmp_path, rows, layout="fdb-1.0")
    assert [found[ident].dropped for ident in ids] == [None, None]
    assert "has no item elsewhere" in str(found["elsewhere"].dropped)


def test_a_folder_without_any_side_is_refused(tmp_path):
    (tmp_path / "theirs").mkdir()
    with pytest.raises(UserError, match="has a side for none of the 1 items"):
        taken(tmp_path, [made.item("a", audio="turn/a/input.wav")])


@pytest.mark.parametrize(
    "text, reason",
    [
        ('{"chunks": [{"text": "a", "timestamp": [50, 60]}]}', "'a' begins at 50 s of a side of"),
        ('{"chunks": [{"text": "a", "timestamp": [NaN, 0.2]}]}', "is expected, not .nan"),
        ('{"chunks": [{"text": "a", "timestamp": [0.6, 0.2]}]}', "0.6 to 0.2 s is no time"),
        ('{"chunks": [{"item": 3}]}', "an `item` holds '3', not a list of words"),
        ('{"chunks": ["a"]}', "a word has no text"),
        ('{"text": "a"}', 'has no list of "chunks"'),
        ("{", "is not whole JSON"),
        ("", "is not whole JSON"),
    ],
)
def test_words_that_cannot_be_used_are_told_and_stop_no_other(tmp_path, text, reason):
    rows = [made.item(name, audio=f"turn/{name}/input.wav") for name in ("a", "b")]
    for name in ("a", "b"):
        record(tmp_path / "theirs/turn" / name, 1.5, words=[("hello", 0.2, 0.6)])
    (tmp_path / "theirs/turn/a/output.json").write_text(text)
    found = taken(tmp_path, rows)
    assert re.search(reason, str(found["a"].dropped)) and found["b"].dropped is None


def test_any_sound_that_opens_is_taken_and_hidden_files_are_not(tmp_path):
    sounds = {"mp3": (24_000, 1), "stereo": (16_000, 2), "low": (8_000, 1), "high": (48_000, 1)}
    names = [*sounds, "empty", "hidden"]
    rows = [made.item(name, audio=f"turn/{name}/input.wav") for name in names]
    for name in names:
        home = tmp_path / "theirs/turn" / name
        home.mkdir(parents=True)
        (home / "._output.wav").write_bytes(b"Mac")
        if name in sounds:
            rate, channels = sounds[name]
            kind = "MP3" if name == "mp3" else "WAV"
            soundfile.write(home / "output.wav", np.full((rate, channels), 0.2), rate, format=kind)
    (tmp_path / "theirs/turn/empty/output.wav").touch()
    found = taken(tmp_path, rows)
    assert {name: found[name].sample_rate for name in sounds} == {
        name: rate for name, (rate, _) in sounds.items()
    }
    assert "does not open as audio" in str(found["empty"].dropped)
    assert "output.wav is missing" in str(found["hidden"].dropped)

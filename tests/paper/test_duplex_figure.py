"""The figure of time lines: what is heard and what was marked, at their times."""

from __future__ import annotations

import csv

import numpy as np

from scripts.common import audio
from scripts.paper.duplex_figure import duplex_figure, took_over
from scripts.rows.duplex import Event
from scripts.workflow.model_spec import ModelSpec
from tests.rows import duplex as made
from tests.rows import written

RATE = 16_000


def test_the_csv_has_the_marks_and_both_tracks(tmp_path):
    """Without speech there are no spans, but the marks and the panel are there."""
    for folder in ("user", "side"):
        (tmp_path / folder).mkdir()
        audio.write(tmp_path / folder / "a.flac", np.zeros(3 * RATE, np.float32))
    mark = Event(kind="turn_end", start=1.0, end=1.0)
    item = made.item("a", seconds=3.0, events=[mark])
    files = [tmp_path / f"figure.{end}" for end in ("csv", "pdf", "svg", "png")]
    duplex_figure(
        [written(tmp_path / "items.jsonl", [item])],
        [tmp_path / "user"],
        [written(tmp_path / "sides.jsonl", [made.conversation("a")])],
        [tmp_path / "side"],
        [written(tmp_path / "scores.jsonl", [])],
        *files,
        systems=["s"],
        vad=ModelSpec("vad", "silero"),
    )
    with files[0].open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["kind"], row["start"], row["track"]) == ("turn_end", "1.0", "user")
    assert all(file.stat().st_size for file in files)
    assert "the system takes the floor" in files[2].read_text("utf-8"), "the triangle is explained"


def test_a_takeover_is_where_speech_goes_on_after_the_mark():
    item = made.item("a", seconds=9.0, events=[Event(kind="turn_end", start=4.0, end=4.0)])
    assert took_over(item, [(1.0, 2.0), (5.0, 6.0)]) == 5.0
    assert took_over(item, [(3.0, 6.0)]) == 4.0
    assert took_over(item, [(1.0, 2.0)]) is None


def test_an_interruption_is_answered_by_what_begins_after_it():
    mark = Event(kind="interruption", start=6.0, end=8.0)
    item = made.item("a", task="interruption", seconds=12.0, events=[mark])
    assert took_over(item, [(2.0, 6.5), (8.5, 11.0)]) == 8.5
    assert took_over(item, [(2.0, 12.0)]) is None

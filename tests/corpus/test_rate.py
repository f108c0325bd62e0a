"""Rating: one row per kept segment, with the reason if quality is too low."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scripts import backends
from scripts.backends.quality import Ratings
from scripts.common import audio
from scripts.corpus.rate import BATCH, judged, rate
from scripts.rows.corpus import Quality
from scripts.rows.jsonl import read_rows, write_rows
from scripts.workflow.model_spec import ModelSpec
from tests.rows import recording, segment


def run(folder, segments):
    write_rows(folder / "recordings", [recording(duration=60)])
    write_rows(folder / "segments", segments)
    paths = [folder, folder / "recordings", folder / "segments", folder / "quality"]
    rate(*paths, quality=ModelSpec("quality", "made"), lowest_ovrl=3.0)
    return read_rows(folder / "quality", Quality)


def test_each_kept_segment_is_rated_and_low_ones_say_why(tmp_path, monkeypatch):
    class Loudness:
        """The score is 2 plus the clip's seconds / 3, which identifies the clip it was given."""

        def rate(self, clips):
            assert 0 < len(clips) <= BATCH
            return [Ratings(2 + len(c) / 48_000, 3.0, 4.0) for c in clips]

    monkeypatch.setattr(backends, "load", lambda spec: Loudness())
    audio.write(tmp_path / "m.flac", np.zeros(16_000 * 60, np.float32))
    many = [segment(f"s{n}", n, n + 3 + n % 2) for n in range(BATCH + 4)]
    short = segment("short", 50, 51, dropped="shorter than 3 s")
    rows = run(tmp_path, [*reversed(many), short])
    assert [row.id for row in rows] == [row.id for row in many]
    assert {row.ovrl for row in rows} == {3.0, 3.333}
    assert all(row.dropped is None for row in rows)


def test_the_reason_names_both_figures():
    scores = Ratings(2.7149, 3, 4)
    assert judged("s", scores, 3).dropped == "OVRL 2.71 is below 3.0"
    assert judged("s", replace(scores, ovrl=2.9996), 3).dropped is None


def test_nothing_to_do_loads_no_model(tmp_path, monkeypatch):
    monkeypatch.setattr(backends, "load", lambda spec: pytest.fail("a model was loaded"))
    assert run(tmp_path, [segment("a", 0, 1, dropped="shorter than 3 s")]) == []

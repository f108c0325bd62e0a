"""Separation: every recording gets its vocals; dropped ones pass through."""

from __future__ import annotations

import numpy as np
import pytest

from scripts import backends
from scripts.common import audio
from scripts.corpus.separate import separate
from scripts.rows.corpus import Recording
from scripts.rows.jsonl import read_rows, write_rows
from tests.rows import recording


def run(folder, rows):
    write_rows(folder / "audio.jsonl", rows)
    separate(
        folder / "audio", folder / "audio.jsonl", folder / "vocals", folder / "out.jsonl", {"a": 1}
    )
    return read_rows(folder / "out.jsonl", Recording)


def test_vocals_replace_the_mix(tmp_path, monkeypatch):
    class Louder:
        def separate(self, samples, rate):
            assert rate == 16_000 and samples.dtype == np.float32
            return samples * 4

    monkeypatch.setattr(backends, "load", lambda spec: Louder())
    (tmp_path / "audio").mkdir()
    tone = 0.5 * np.sin(np.arange(8000) / 8).astype(np.float32)
    for name in ("b", "a"):
        audio.write(tmp_path / f"audio/{name}.flac", tone)
    dropped = recording("c", file=None, dropped="no audio stream")
    rows = run(tmp_path, [recording("b", duration=0.5), dropped, recording("a", duration=0.5)])
    assert [(row.id, row.file, row.dropped) for row in rows] == [
        ("a", "a.flac", None),
        ("b", "b.flac", None),
        ("c", None, "no audio stream"),
    ]
    vocals = audio.read(tmp_path / "vocals/a.flac")
    assert len(vocals) == 8000 and 0.9 < np.abs(vocals).max() <= 0.951
    assert np.corrcoef(vocals, tone)[0, 1] > 0.999


def test_nothing_to_do_loads_no_model(tmp_path, monkeypatch):
    monkeypatch.setattr(backends, "load", lambda spec: pytest.fail("a model was loaded"))
    assert run(tmp_path, []) == []
    (row,) = run(tmp_path, [recording("a", file=None, dropped="it is empty")])
    assert row.dropped == "it is empty" and (tmp_path / "vocals").is_dir()

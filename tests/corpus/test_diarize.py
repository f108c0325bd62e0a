"""Diarization: a backend's turns become rows of numbered local speakers."""

from __future__ import annotations

import numpy as np
import pytest

from scripts import backends
from scripts.backends.diarization import SpeakerTurn
from scripts.common import audio
from scripts.corpus.diarize import diarize
from scripts.rows.corpus import Turn
from scripts.rows.jsonl import read_rows, write_rows
from tests.rows import recording


def test_speakers_are_numbered_as_they_are_heard(tmp_path, monkeypatch):
    turns = [
        SpeakerTurn(1.0, 1.2, "A", True),
        SpeakerTurn(1.0, 1.2, "B", True),
        SpeakerTurn(0.12345, 1.0, "B", False),
        SpeakerTurn(1.5, 1.5001, "C", False),
        SpeakerTurn(1.6, 2.05, "A", False),
    ]

    class Diarizer:
        def diarize(self, samples):
            return turns if len(samples) == 32_000 else []

    monkeypatch.setattr(backends, "load", lambda spec: Diarizer())
    for name, seconds in (("b", 1), ("a", 2)):
        audio.write(tmp_path / f"{name}.flac", np.zeros(16_000 * seconds, np.float32))
    rows = [
        recording("b", duration=1),
        recording("a", duration=2),
        recording("c", file=None, dropped="it is cut short"),
    ]
    write_rows(tmp_path / "recordings", rows)
    diarize(tmp_path, tmp_path / "recordings", tmp_path / "turns", {})
    found = read_rows(tmp_path / "turns", Turn)
    assert [(row.media, row.speaker, row.start, row.end, row.overlap) for row in found] == [
        ("a", "speaker_0", 0.123, 1.0, False),
        ("a", "speaker_1", 1.0, 1.2, True),
        ("a", "speaker_0", 1.0, 1.2, True),
        ("a", "speaker_1", 1.6, 2.0, False),
    ]


def test_nothing_to_do_loads_no_model(tmp_path, monkeypatch):
    monkeypatch.setattr(backends, "load", lambda spec: pytest.fail("a model was loaded"))
    write_rows(tmp_path / "recordings", [])
    diarize(tmp_path, tmp_path / "recordings", tmp_path / "turns", {})
    assert read_rows(tmp_path / "turns", Turn) == []

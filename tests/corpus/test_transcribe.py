"""Transcripts: everything with speech, in the recording's language, joined by id."""

from __future__ import annotations

import numpy as np
import pytest

from scripts import backends
from scripts.backends.asr import Transcription
from scripts.common import audio
from scripts.corpus.transcribe import BATCH, transcribe
from scripts.rows.corpus import Transcript
from scripts.rows.jsonl import read_rows, write_rows
from tests import rows as made


def segment(key, media, start, speech=1.0, dropped=None):
    return made.segment(key, start, start + 1, media=media, speech=speech, dropped=dropped)


def run(folder, segments):
    languages = {"en": "English", "zh": "Chinese"}
    media = [
        made.recording(name, language=language, duration=60) for name, language in languages.items()
    ]
    write_rows(folder / "recordings", media)
    write_rows(folder / "segments", segments)
    transcribe(folder, folder / "recordings", folder / "segments", folder / "out", {})
    return read_rows(folder / "out", Transcript)


def test_all_speech_is_transcribed_in_batches_of_one_language(tmp_path, monkeypatch):
    calls = []

    class Reader:
        """Each second of the audio encodes its number as a level, which is what it recognizes."""

        def transcribe(self, clips, language):
            calls.append((language, len(clips)))
            texts = [f" second \n {round(float(c.mean()) * 100)} " for c in clips]
            return [Transcription(text, language) for text in texts]

    monkeypatch.setattr(backends, "load", lambda spec: Reader())
    steps = np.repeat(np.arange(60) / 100, 16_000).astype(np.float32)
    for name in ("en", "zh"):
        audio.write(tmp_path / f"{name}.flac", steps)
    segments = [segment(f"e{n:02d}", "en", n) for n in range(BATCH + 2)]
    segments += [
        segment("z1", "zh", 40, dropped="shorter than 3 s"),
        segment("z0", "zh", 30),
        segment("z2", "zh", 50, speech=0, dropped="no speech found"),
    ]
    rows = run(tmp_path, segments[::-1])
    names = [f"e{n:02d}" for n in range(BATCH + 2)]
    assert [row.id for row in rows] == [*names, "z0", "z1"]
    assert [row.text for row in rows[:2]] == ["second 0", "second 1"]
    assert [(row.text, row.language) for row in rows[-2:]] == [
        ("second 30", "Chinese"),
        ("second 40", "Chinese"),
    ]
    assert calls == [("Chinese", 2), ("English", BATCH), ("English", 2)]


def test_a_segment_not_understood_keeps_an_empty_row(tmp_path, monkeypatch):
    class Deaf:
        def transcribe(self, clips, language):
            return [Transcription("", language) for _ in clips]

    monkeypatch.setattr(backends, "load", lambda spec: Deaf())
    audio.write(tmp_path / "en.flac", np.zeros(32_000, np.float32))
    (row,) = run(tmp_path, [segment("e", "en", 0)])
    assert (row.id, row.text) == ("e", "")


def test_nothing_to_do_loads_no_model(tmp_path, monkeypatch):
    monkeypatch.setattr(backends, "load", lambda spec: pytest.fail("a model was loaded"))
    assert run(tmp_path, [segment("a", "en", 0, speech=0, dropped="no speech found")]) == []

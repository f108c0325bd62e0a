"""Unusual audio: NaN samples, surround channels that cancel out, raw streams, tracks much shorter
than the film, a decoder that crashes."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.corpus.extract import extract
from scripts.media import ffmpeg
from scripts.rows.corpus import Medium
from scripts.rows.jsonl import write_rows
from tests.corpus.test_whole_sound import RATE, pitch, take, tone, wave

SINE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(0, 2 * RATE - 1), min_size=1, max_size=9), st.booleans())
def test_samples_that_are_no_numbers_are_silent_and_the_rest_is_kept(tmp_path_factory, at, stereo):
    path = tmp_path_factory.mktemp("nan") / "a.wav"
    samples = SINE.copy()
    samples[at] = np.nan
    both = np.stack([samples, SINE], axis=1) if stereo else samples
    soundfile.write(path, both, RATE, subtype="FLOAT")
    ((made, found),) = take(path)
    assert "no numbers (NaN)" in made.note and np.abs(found).max() < 0.55
    assert pitch(found, 0.1, 1.9) == pytest.approx(440, abs=3)


def test_sound_without_a_number_is_silent(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(RATE, np.nan), RATE, subtype="FLOAT")
    ((made, _),) = take(tmp_path / "a.wav")
    assert made.file is None and "its 1.0 s are silent" in made.dropped


def test_channels_of_surround_that_cancel_each_other_out(tmp_path):
    sine = "0.4*sin(2*PI*440*t)"
    options = wave(sine, f"-{sine}", "0", "0", "0", "0")
    options[3] += ":c=5.1"
    ffmpeg.run(options, tmp_path / "a.wav")
    ((made, found),) = take(tmp_path / "a.wav")
    assert made.note == "its channels cancel each other out; number 1 alone is used"
    assert np.abs(found).max() == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("end", ["ac3", "eac3", "tta", "wv"])
def test_a_stream_without_a_container_is_read(end, tmp_path):
    ffmpeg.run(tone(440, 2), tmp_path / f"a.{end}")
    ((made, found),) = take(tmp_path / f"a.{end}")
    assert made.note is None and made.duration == pytest.approx(2.0, abs=0.05)
    assert pitch(found, 0.1, 1.9) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("lengths, number, seconds", [((0.1, 3), 2, 3), ((3, 0.1), 1, 3)])
def test_a_track_far_shorter_than_the_film_is_not_the_one(lengths, number, seconds, tmp_path):
    first, second = lengths
    inputs = [*tone(440, first), *tone(880, second), "-map", "0", "-map", "1", "-c:a", "aac"]
    ffmpeg.run(inputs, tmp_path / "a.mkv")
    ((made, _),) = take(tmp_path / "a.mkv")
    assert f"audio track {number} (mono) is used" in made.note
    assert made.duration == pytest.approx(seconds, abs=0.1)
    ((asked, _),) = take(tmp_path / "a.mkv", track="1")
    assert asked.duration == pytest.approx(first, abs=0.1)


def test_if_all_tracks_are_short_the_longest_counts(tmp_path):
    inputs = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=8", *tone(440, 0.5)]
    inputs += [*tone(880, 2), "-map", "0", "-map", "1", "-map", "2", "-c:v", "mpeg4"]
    ffmpeg.run(inputs, tmp_path / "a.mkv")
    ((made, _),) = take(tmp_path / "a.mkv")
    assert "audio track 2" in made.note and made.duration == pytest.approx(2.0, abs=0.1)


def dies(folder, monkeypatch, number: str):
    """A stand-in for ffmpeg that is killed by a signal."""
    (folder / "ffmpeg").write_text(f"#!/bin/sh\nkill -{number} $$\n")
    (folder / "ffmpeg").chmod(0o755)
    monkeypatch.setattr(ffmpeg.imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(folder / "ffmpeg"))


@pytest.mark.parametrize("name", ["KILL", "TERM", "ILL", "BUS"])
def test_a_killed_decoder_is_no_fault_of_the_film(name, tmp_path, monkeypatch):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    write_rows(tmp_path / "i", [Medium(id="a", work="W", language="English", file="a.wav")])
    dies(tmp_path, monkeypatch, name)
    with pytest.raises(OSError, match=f"ffmpeg died of SIG{name}: "):
        extract(tmp_path, tmp_path / "i", tmp_path / "audio", tmp_path / "made")


@pytest.mark.parametrize("name", ["SEGV", "FPE", "ABRT"])
def test_a_film_of_which_the_decoder_dies_says_so(name, tmp_path, monkeypatch):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    dies(tmp_path, monkeypatch, name)
    ((made, _),) = take(tmp_path / "a.wav")
    assert made.file is None and f"died of SIG{name}" in made.dropped

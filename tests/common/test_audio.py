"""Audio is read by seconds, at any rate, and never clipped silently."""

from __future__ import annotations

import hashlib
import io
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common import audio
from scripts.common.errors import UserError


def test_a_stretch_is_read_and_resampled(tmp_path):
    ramp = np.linspace(-0.5, 0.5, 48_000, dtype=np.float32)
    audio.write(tmp_path / "ramp.flac", ramp, rate=48_000)
    part = audio.read(tmp_path / "ramp.flac", start=0.25, end=0.75)
    assert part.dtype == np.float32 and len(part) == 8_000
    assert abs(part[4_000]) < 0.01


def test_a_stretch_beyond_the_end_is_what_there_is(tmp_path):
    audio.write(tmp_path / "a.flac", np.zeros(16_000, np.float32))
    assert len(audio.read(tmp_path / "a.flac", start=0.5, end=9)) == 8_000
    assert len(audio.read(tmp_path / "a.flac", start=5)) == 0


@pytest.mark.parametrize("content", [None, b"", b"not audio at all"])
def test_what_cannot_be_read_is_told(tmp_path, content):
    path = tmp_path / "x.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read audio from .*x\.wav"):
        audio.read(path)


def test_audio_above_full_scale_is_refused(tmp_path):
    with pytest.raises(ValueError, match="peak 2.00"):
        audio.write(tmp_path / "a.flac", np.full(10, 2.0, np.float32))
    quiet = audio.normalise(np.full(10, 2.0, np.float32))
    assert quiet.max() == pytest.approx(0.95)


def test_resampling_never_leaves_full_scale():
    square = np.sign(np.sin(np.arange(24_000) / 20)).astype(np.float32)
    assert np.abs(audio.resample(square, 24_000, 16_000)).max() <= 1


@given(st.lists(st.integers(), max_size=9), st.integers(0, 4))
def test_reading_ahead_changes_no_order(items, waiting):
    pairs = list(audio.ahead(items, lambda item: item * 2, waiting))
    assert pairs == [(item, item * 2) for item in items]


def test_an_error_while_reading_ahead_comes_with_its_own_item():
    found = audio.ahead([1, 0, 2], lambda item: 1 / item)
    assert next(found) == (1, 1.0)
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_a_sound_is_read_only_when_it_is_asked_for(tmp_path):
    path = tmp_path / "later.flac"
    sound = audio.Sound(path)
    assert audio.Sound(path, seconds=2.5).seconds == 2.5
    for use in (lambda: sound.samples, lambda: sound.seconds, sound.sha256, sound.wav):
        with pytest.raises(UserError, match="later.flac"):
            use()
    audio.write(path, np.full(4_000, 0.25, np.float32), rate=8_000)
    assert sound.seconds == 0.5 and len(sound.samples) == 8_000
    assert sound.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()


@given(st.lists(st.integers(-32768, 32767), max_size=50), st.integers(0, 60))
def test_a_sound_as_wav_is_exact_and_cut(numbers, kept):
    sound = audio.Sound(np.array(numbers, np.float32) / 32768)
    with wave.open(io.BytesIO(sound.wav(kept / 16_000))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        assert np.frombuffer(file.readframes(99), "<i2").tolist() == numbers[:kept]
    assert sound.wav() == sound.wav(1) and sound.seconds == len(numbers) / 16_000
    assert sound.sha256() == hashlib.sha256(np.array(numbers, "<i2").tobytes()).hexdigest()


def test_a_sound_beyond_full_scale_is_clipped_not_wrapped():
    file = io.BytesIO(audio.Sound(np.array([1.5, -1.5], np.float32)).wav())
    assert audio.read(file).tolist() == [32767 / 32768, -1.0]

"""Audio is read in seconds, at any rate, and never clipped in silence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common import audio
from scripts.common.stage import UserError


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

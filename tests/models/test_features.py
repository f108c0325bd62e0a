"""Resampling and filter-bank features with torchaudio."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.backends.features import fbank, resample
from scripts.backends.speaker import campplus

RATES = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)


def sine(hertz: float, rate: int, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


@pytest.mark.parametrize("source", RATES)
@pytest.mark.parametrize("target", RATES)
def test_a_tone_stays_the_same_tone(source, target):
    found = resample(sine(440, source), source, target)
    expected = sine(440, target)
    assert abs(len(found) - len(expected)) <= 1 and found.dtype == np.float32
    # Not at the ends, where the filter hears the silence beyond.
    inner = slice(target // 50, len(expected) - target // 50)
    assert np.abs(found[inner] - expected[inner]).max() < 0.002


def test_what_the_lower_rate_cannot_hold_is_removed():
    found = resample(sine(12_000, 48_000), 48_000, 16_000)
    assert np.abs(found[400:-400]).max() < 0.01


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5_000), st.sampled_from(RATES), st.sampled_from(RATES))
def test_the_length_follows_the_rates(samples, source, target):
    found = resample(np.ones(samples, np.float32), source, target)
    assert found.shape == (math.ceil(samples * target / source),)


@settings(max_examples=20, deadline=None)
@given(st.integers(500, 3_000), st.floats(0.01, 2), st.sampled_from(RATES[2:]))
def test_resampling_is_linear_and_does_each_channel(samples, gain, source):
    clips = np.random.default_rng(samples).normal(0, 0.1, (2, samples)).astype(np.float32)
    both = resample(clips, source, 16_000)
    for clip, found in zip(clips, both, strict=True):
        assert np.allclose(resample(clip, source, 16_000), found, atol=1e-6)
        assert np.allclose(
            resample(clip * np.float32(gain), source, 16_000), gain * found, atol=1e-5
        )


def test_a_tensor_stays_a_tensor_and_one_rate_changes_nothing():
    clip = sine(300, 24_000)
    found = resample(torch.from_numpy(clip), 24_000, 16_000)
    assert isinstance(found, torch.Tensor)
    assert np.array_equal(found.numpy(), resample(clip, 24_000, 16_000))
    assert resample(clip, 16_000, 16_000) is clip
    assert np.array_equal(
        resample(clip[::2], 12_000, 16_000), resample(clip[::2].copy(), 12_000, 16_000)
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(400, 20_000), st.floats(1e-3, 0.9))
def test_features_are_those_of_the_demo(samples, level):
    clip = level * np.random.default_rng(samples).uniform(-1, 1, samples).astype(np.float32)
    clip = clip.astype(np.float32)
    found = fbank(clip).numpy()
    assert found.shape == (1 + (samples - 400) // 160, 80) and found.dtype == np.float32
    # In single precision the logarithm of a nearly empty band is off by up to .0013 (1,500 clips).
    apart = np.abs(found - campplus.features(clip))
    assert apart.max() < 0.01 and apart.mean() < 1e-4


def test_features_of_voice_and_silence_are_those_of_the_demo(hum):
    for clip in (hum, np.zeros(8_000, np.float32)):
        assert np.abs(fbank(clip).numpy() - campplus.features(clip)).max() < 1e-3


@settings(max_examples=20, deadline=None)
@given(st.integers(400, 8_000), st.floats(0.1, 0.9), st.sampled_from([23, 40, 80]))
def test_features_do_not_hear_loudness(samples, gain, mels):
    """Less their mean: a factor is a constant in the log."""
    clip = np.random.default_rng(samples).uniform(-1, 1, samples).astype(np.float32)
    found = fbank(clip, mels)
    assert found.shape[1] == mels
    assert torch.allclose(found.mean(dim=0), torch.zeros(mels), atol=1e-4)
    assert torch.allclose(fbank(clip * np.float32(gain), mels), found, atol=1e-3)

"""Resampling and filter-bank features by torchaudio, for backends in the torch environments."""

from __future__ import annotations

import functools

import numpy as np


@functools.cache
def _resampler(source: int, target: int, device: str):
    import torchaudio

    return torchaudio.transforms.Resample(source, target, lowpass_filter_width=64).to(device)


def resample(samples, source: int, target: int):
    """Resample (..., n) from `source` Hz to `target` Hz; arrays stay arrays, tensors stay on their
    device. The filter may overshoot full scale slightly."""
    import torch

    if source == target:
        return samples
    if isinstance(samples, np.ndarray):
        tensor = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
        return _resampler(source, target, "cpu")(tensor).numpy()
    return _resampler(source, target, str(samples.device))(samples)


def fbank(clip, mels: int = 80):
    """(frames, mels) float32 log mel energies of a clip (n,) float32 at 16 kHz, as Kaldi computes
    them (25 ms every 10 ms, no dither), less their mean over the clip."""
    import torch
    import torchaudio

    tensor = torch.as_tensor(clip)[None]
    found = torchaudio.compliance.kaldi.fbank(
        tensor, num_mel_bins=mels, sample_frequency=16_000, dither=0.0
    )
    return found - found.mean(dim=0, keepdim=True)

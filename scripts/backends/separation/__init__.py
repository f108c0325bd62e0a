"""Separation: speech out of a mix of speech, music and effects.

A backend has `separate(audio, rate)`: (n,) float32 at `rate` Hz -> the vocals, same shape.
"""

from __future__ import annotations

import numpy as np


def accept(backend) -> None:
    """Check a backend against the contract; raises AssertionError."""
    rng = np.random.default_rng(0)
    audio = (0.1 * rng.standard_normal(16_000 * 2)).astype(np.float32)
    vocals = backend.separate(audio, 16_000)
    assert vocals.shape == audio.shape and vocals.dtype == np.float32
    assert np.isfinite(vocals).all()

"""Separation: speech out of a mix of speech, music and effects."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class SeparationBackend(Protocol):
    """What takes music and effects away."""

    def separate(self, audio: np.ndarray, rate: int) -> np.ndarray:
        """The vocals in (n,) float32 at `rate` Hz, in the same shape."""


def accept(backend: SeparationBackend) -> None:
    """Check a backend against the contract; raises AssertionError."""
    rng = np.random.default_rng(0)
    audio = (0.1 * rng.standard_normal(16_000 * 2)).astype(np.float32)
    vocals = backend.separate(audio, 16_000)
    assert vocals.shape == audio.shape and vocals.dtype == np.float32
    assert np.isfinite(vocals).all()

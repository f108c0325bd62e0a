"""Speech quality without a reference.

A clip of no samples or outside [-1, 1] raises ValueError.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Protocol

import numpy as np

KEPT = {"rate": 256}


@dataclass(frozen=True)
class Ratings:
    """Of the whole, the speech and the background, on the P.835 scale from 1 to 5."""

    ovrl: float
    sig: float
    bak: float


class QualityBackend(Protocol):
    """What predicts the ratings of listeners."""

    def rate(self, clips: list[np.ndarray]) -> list[Ratings]:
        """The ratings of each clip, (n,) float32 at 16 kHz."""


def accept(backend: QualityBackend, speech: np.ndarray) -> None:
    """Check a backend against the contract on (n,) 16 kHz `speech`; raises AssertionError."""
    (clean,) = backend.rate([speech])
    assert all(1 <= value <= 5 for value in astuple(clean))
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(speech))
    (noisy,) = backend.rate([np.clip(speech + noise, -1, 1).astype(np.float32)])
    assert noisy.ovrl < clean.ovrl

"""Voice activity detection."""

from __future__ import annotations

from typing import Protocol

import numpy as np

KEPT = {"speech": 1}


class VadBackend(Protocol):
    """What tells speech from the rest."""

    def speech(self, audio: np.ndarray) -> list[tuple[float, float]]:
        """(start, end) in seconds of the speech in (n,) float32 at 16 kHz: sorted, disjoint, inside
        the audio; none in silence."""


def accept(backend: VadBackend, speech: np.ndarray) -> None:
    """Check a backend against the contract on (n,) 16 kHz `speech`; raises AssertionError."""
    parts = backend.speech(speech)
    assert parts
    times = [time for part in parts for time in part]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= len(speech) / 16_000
    assert backend.speech(np.zeros(16_000, np.float32)) == []

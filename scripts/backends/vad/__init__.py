"""Voice activity detection.

A backend has `speech(audio)`: (n,) float32 at 16 kHz -> (start, end) pairs in seconds, sorted,
disjoint, inside the audio. Silence gives an empty list.
"""

from __future__ import annotations

import numpy as np

KEPT = {"speech": 1}


def accept(backend, speech: np.ndarray) -> None:
    """Check a backend against the contract on (n,) 16 kHz `speech`; raises AssertionError."""
    parts = backend.speech(speech)
    assert parts
    times = [time for part in parts for time in part]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= len(speech) / 16_000
    assert backend.speech(np.zeros(16_000, np.float32)) == []

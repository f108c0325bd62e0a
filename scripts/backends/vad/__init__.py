"""Voice activity detection."""

from __future__ import annotations

from typing import Protocol

import numpy as np

KEPT = {"speech": 1, "talking": 1}


class VadBackend(Protocol):
    """What tells speech from the rest."""

    def speech(self, audio: np.ndarray) -> list[tuple[float, float]]:
        """(start, end) in seconds of the speech in (n,) float32 at 16 kHz: sorted, disjoint, inside
        the audio; none in silence."""

    @property
    def step(self) -> float:
        """Seconds between the values of `talking`."""

    def talking(self, audio: np.ndarray) -> np.ndarray:
        """Whether somebody talks in each whole step of (n,) float32 at 16 kHz: (m,) bool. Each is
        decided, as in a live stream, from what was heard up to the end of its step."""


def accept(backend: VadBackend, speech: np.ndarray) -> None:
    """Check a backend against the contract on (n,) 16 kHz `speech`; raises AssertionError."""
    parts = backend.speech(speech)
    assert parts
    times = [time for part in parts for time in part]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= len(speech) / 16_000
    assert backend.speech(np.zeros(16_000, np.float32)) == []
    talking, half = backend.talking(speech), backend.talking(speech[: len(speech) // 2])
    assert talking.any() and len(talking) == int(len(speech) / 16_000 / backend.step)
    assert np.array_equal(talking[: len(half)], half)
    assert not backend.talking(np.zeros(16_000, np.float32)).any()

"""A control that says what the user says, one frame of 80 ms later."""

from __future__ import annotations

import numpy as np

from scripts.backends.duplex import FRAME, RATE, Call, DuplexBackend, Side
from scripts.backends.duplex._user import refused

ENV = ("core", "torch")
GPU = False


def load() -> DuplexBackend:
    return Echo()


class Echo:
    """See the contract in scripts/backends/duplex/__init__.py."""

    rate = RATE
    voice_mode = "own"
    takes_role = False

    def converse(self, calls: list[Call]) -> list[Side]:
        """The user's side of each call, late by one frame; beyond full scale it is clipped."""
        return [refused(call) or Side(late(call.user), None, 0.0) for call in calls]


def late(user: np.ndarray) -> np.ndarray:
    """(n,) float32 at 24 kHz, one frame later."""
    before = np.zeros(round(FRAME * RATE), np.float32)
    return np.concatenate([before, np.clip(user, -1, 1)])[: len(user)].astype(np.float32)

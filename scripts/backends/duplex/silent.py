"""A control that never says anything: the lower end of every measure of talking."""

from __future__ import annotations

import numpy as np

from scripts.backends.duplex import RATE, Call, DuplexBackend, Side
from scripts.backends.duplex._user import refused

ENV = ("core", "torch")
GPU = False


def load() -> DuplexBackend:
    return Silent()


class Silent:
    """See the contract in scripts/backends/duplex/__init__.py."""

    rate = RATE
    voice_mode = "own"
    takes_role = False

    def converse(self, calls: list[Call]) -> list[Side]:
        """Silence as long as each user's side."""
        return [
            refused(call) or Side(np.zeros(len(call.user), np.float32), [], 0.0) for call in calls
        ]

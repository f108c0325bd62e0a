"""No separation: audio is unchanged, for recordings without background under the speech.

Options: none. Needs nothing.
"""

from __future__ import annotations

import numpy as np

from scripts.backends.separation import SeparationBackend

ENV = ("core", "torch")
GPU = False


def load() -> SeparationBackend:
    return Unchanged()


class Unchanged:
    """See the contract in scripts/backends/separation/__init__.py."""

    def separate(self, audio: np.ndarray, rate: int) -> np.ndarray:
        """(n,) float32 at `rate` Hz, unchanged."""
        return audio

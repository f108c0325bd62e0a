"""No separation: the sound stays as it is, for recordings with nothing under the speech.

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
        """(n,) float32 at `rate` Hz, as it is."""
        return audio

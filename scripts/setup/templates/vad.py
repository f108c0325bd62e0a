"""My voice activity detection: whatever is loud is speech."""

import numpy as np

from scripts.common.audio import RATE

ENV = "core"  # the file in envs/ with the packages that it needs
GPU = False  # True for a model that can run on one; `load` then has the option `device`


class Detector:
    """By the loudness of each step."""

    step = 0.1  # seconds between the values of `talking`

    def __init__(self, least: float):
        self.least = least

    def speech(self, audio: np.ndarray) -> list[tuple[float, float]]:
        """(start, end) in seconds of the speech in (n,) float32 at 16 kHz, by start."""
        talks = np.concatenate([[False], self.talking(audio), [False]])
        edges = np.flatnonzero(np.diff(talks)) * self.step
        return [*zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]

    def talking(self, audio: np.ndarray) -> np.ndarray:
        """(m,) bool: whether somebody talks in each whole step, from what was heard up to it."""
        size = round(self.step * RATE)
        steps = audio[: len(audio) // size * size].reshape(-1, size)
        return np.sqrt(np.mean(steps**2, axis=1)) > self.least


def load(least: float = 0.01) -> Detector:
    """The parameters are the options in the config. Import packages and load weights here."""
    return Detector(least)

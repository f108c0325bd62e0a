"""My speech quality: how far the speech stands above the background."""

import numpy as np

from scripts.backends.quality import Ratings
from scripts.common.audio import RATE

ENV = "core"  # the file in envs/ with the packages that it needs
GPU = False  # True for a model that can run on one; `load` then has the option `device`


class Rater:
    """From the ratio of the loudest to the quietest tenth of a second."""

    def __init__(self, best: float):
        self.best = best

    def rate(self, clips: list[np.ndarray]) -> list[Ratings]:
        return [self.ratings(clip) for clip in clips]

    def ratings(self, clip: np.ndarray) -> Ratings:
        """Of (n,) float32 at 16 kHz, from 1 to 5: overall, speech and background."""
        if not len(clip) or not np.abs(clip).max() <= 1:
            raise ValueError("a clip has no samples, or samples outside [-1, 1].")
        step = min(len(clip), RATE // 10)
        parts = clip[: len(clip) // step * step].reshape(-1, step)
        levels = np.sqrt(np.mean(parts**2, axis=1)) + 1e-4
        ratio = 20 * np.log10(levels.max() / levels.min())  # dB
        rating = float(np.clip(1 + 4 * ratio / self.best, 1, 5))
        return Ratings(ovrl=rating, sig=rating, bak=rating)


def load(best: float = 60.0) -> Rater:
    """The parameters are the options in the config. Import packages and load weights here."""
    return Rater(best)

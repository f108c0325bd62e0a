"""My separation: makes everything a little quieter."""

import numpy as np

ENV = "core"  # the file in envs/ with the packages that it needs
GPU = False  # True for a model that can run on one; `load` then has the option `device`


class Separator:
    """Takes nothing away."""

    def __init__(self, gain: float):
        self.gain = gain

    def separate(self, audio: np.ndarray, rate: int) -> np.ndarray:
        """The voices in (n,) float32 at `rate` Hz, in the same shape."""
        return (self.gain * audio).astype(np.float32)


def load(gain: float = 0.9) -> Separator:
    """The parameters are the options in the config. Import packages and load weights here."""
    return Separator(gain)

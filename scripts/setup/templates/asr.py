"""My speech recogniser: hears one word in whatever is loud enough."""

import numpy as np

from scripts.backends.asr import Transcription, audible, speaks

ENV = "core"  # the file in envs/ with the packages that it needs
GPU = False  # True for a model that can run on one; `load` then has the option `device`
LANGUAGES = ("English", "Chinese")


class Recogniser:
    """Hears "something" where there is sound."""

    def __init__(self, least: float):
        self.least = least

    def transcribe(
        self, clips: list[np.ndarray], language: str | None = None
    ) -> list[Transcription]:
        speaks("my recogniser", language, LANGUAGES)
        return [self.heard(clip, language) for clip in clips]

    def heard(self, clip: np.ndarray, language: str | None) -> Transcription:
        """What is said in (n,) float32 at 16 kHz; without a `language`, in which one."""
        loud = audible(clip) and np.abs(clip).max() > self.least
        return Transcription("something" if loud else "", language or LANGUAGES[0])


def load(least: float = 0.01) -> Recogniser:
    """The parameters are the options in the config. Import packages and load weights here."""
    return Recogniser(least)

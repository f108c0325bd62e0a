"""My synthesiser: hums a tone for each letter."""

import numpy as np

from scripts.backends.tts import Line, Voice

ENV = "core"  # the file in envs/ with the packages that it needs
GPU = False  # True for a model that can run on one; `load` then has the option `device`
LETTER = 0.05  # seconds


class Synthesiser:
    """Voices are pitches in Hz."""

    voice_mode = "matched"  # or "cloned", "fixed": how a role gets a voice

    def __init__(self, rate: int):
        self.rate = rate  # samples a second of what it speaks

    def voice(self, clip: np.ndarray, text: str, language: str) -> Voice:
        """The voice of a role's clip, (n,) float32 at 16 kHz, in which `text` is said."""
        crossings = np.count_nonzero(np.diff(np.sign(clip)))
        return {"pitch": min(400.0, 80 + 8000 * crossings / (len(clip) + 1))}

    def fixed_voice(self, language: str) -> Voice:
        """The voice of all users."""
        return {"pitch": 150.0}

    def speak(self, lines: list[Line]) -> list[np.ndarray]:
        return [self.spoken(*line) for line in lines]

    def spoken(self, text: str, voice: Voice, language: str) -> np.ndarray:
        """(n,) float32 at `rate`, in [-1, 1]; ValueError where there is nothing to say."""
        if not any(letter.isalnum() for letter in text):
            raise ValueError(f"there is nothing to say in {text!r}.")
        time = np.arange(round(LETTER * len(text) * self.rate)) / self.rate
        return (0.3 * np.sin(2 * np.pi * voice["pitch"] * time)).astype(np.float32)


def load(rate: int = 24_000) -> Synthesiser:
    """The parameters are the options in the config. Import packages and load weights here."""
    return Synthesiser(rate)

"""A control that talks from the first moment to the last, whatever the user says.

It repeats one passage, spoken by a synthesiser of the config (`tts`) in the voice of the sample or,
without one, in the voice that users have. What is quiet in the passage is cut out, so that it never
pauses.
"""

from __future__ import annotations

import time

import numpy as np

from scripts import backends
from scripts.backends.asr import Word
from scripts.backends.duplex import RATE, Call, DuplexBackend, Side
from scripts.backends.duplex._user import refused
from scripts.backends.duplex._words import timed, until
from scripts.backends.tts import TtsBackend
from scripts.common.audio import resample
from scripts.workflow.model_spec import ModelSpec
from scripts.workflow.serialization import cache_key

ENV = ("core", "torch", "cosyvoice", "api")  # those of its part
GPU = False  # its part may use one

PASSAGE = {
    "English": (
        "and so we went on along the river past the old mill while we told one another all that we "
        "had seen that summer"
    ),
    "Chinese": "我们沿着河边一直走下去一路上大家都在说今年夏天看见的事情",
}
QUIET = 0.1  # of the passage's root mean square: 20 ms below it are cut out


def load(tts: ModelSpec) -> DuplexBackend:
    """Load the synthesiser (a spec)."""
    return AlwaysTalking(backends.load(tts))


class AlwaysTalking:
    """See the contract in scripts/backends/duplex/__init__.py."""

    takes_role = False

    def __init__(self, tts: TtsBackend):
        self.tts = tts
        self.rate = tts.rate
        self.voice_mode = "own" if tts.voice_mode == "fixed" else tts.voice_mode
        self.said: dict[str, np.ndarray] = {}  # the passage in each voice and language

    def converse(self, calls: list[Call]) -> list[Side]:
        """Speech as long as each user's side."""
        return [refused(call, list(PASSAGE)) or self.side(call) for call in calls]

    def side(self, call: Call) -> Side:
        begun = time.monotonic()
        try:
            said = self.passage(call)
        except ValueError as error:
            reason = f"the passage cannot be spoken: {error}"
            return Side(None, None, time.monotonic() - begun, reason)
        length = len(call.user) / RATE
        words = repeated(PASSAGE[call.language], len(said) / self.rate, length)
        audio = np.resize(said, round(length * self.rate))
        return Side(audio, words, time.monotonic() - begun)

    def passage(self, call: Call) -> np.ndarray:
        """The passage without pauses, (n,) float32. Raises ValueError if it cannot be spoken."""
        key = cache_key(call.voice, call.voice_text, call.language)
        if key not in self.said:
            line = (PASSAGE[call.language], self.voice(call), call.language)
            self.said[key] = unpaused(self.tts.speak([line])[0], self.rate)
        return self.said[key]

    def voice(self, call: Call) -> dict:
        if self.tts.voice_mode == "fixed" or not len(call.voice):
            return self.tts.fixed_voice(call.language)
        clip = resample(call.voice, RATE, 16_000)
        return self.tts.voice(clip, call.voice_text, call.language)


def unpaused(said: np.ndarray, rate: int) -> np.ndarray:
    """(n,) float32 without its quiet parts."""
    width = rate // 50
    parts = said[: len(said) // width * width].reshape(-1, width)
    loudness = np.sqrt(np.mean(np.square(parts, dtype=np.float64), axis=1))
    return parts[loudness >= QUIET * np.sqrt(np.mean(loudness**2))].reshape(-1)


def repeated(text: str, period: float, length: float) -> list[Word]:
    """The words of `text`, said again every `period` seconds for `length` seconds."""
    starts = np.arange(0, length, period).tolist()
    return until([word for start in starts for word in timed(text, start, start + period)], length)

"""My full-duplex system: says what it hears, a tenth of a second later."""

import time

import numpy as np

from scripts.backends.duplex import RATE, Call, Side

ENV = "core"  # the file in envs/ with the packages that it needs
GPU = False  # True for a model that can run on one; `load` then has the option `device`


class System:
    """An echo."""

    rate = RATE  # samples a second of its side
    voice_mode = "own"  # or "cloned", "matched": how it comes by the voice in `call.voice`
    takes_role = False  # whether it reads `call.role_prompt`

    def __init__(self, delay: float):
        self.delay = delay

    def converse(self, calls: list[Call]) -> list[Side]:
        return [self.side(call) for call in calls]

    def side(self, call: Call) -> Side:
        """Its side of a conversation, as long as `call.user`: what it says at a moment may depend
        only on what it heard before."""
        begun = time.monotonic()
        silence = np.zeros(round(self.delay * RATE), np.float32)
        audio = np.concatenate([silence, call.user])[: len(call.user)]
        return Side(audio, words=None, compute=time.monotonic() - begun)


def load(delay: float = 0.1) -> System:
    """The parameters are the options in the config. Import packages and load weights here."""
    return System(delay)

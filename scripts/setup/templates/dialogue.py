"""My system: repeats what it hears."""

import time

from scripts.backends.dialogue import Answer, Request
from scripts.common.audio import RATE

ENV = "core"  # the file in envs/ with the packages that it needs
GPU = False  # True for a model that can run on one; `load` then has the option `device`


class System:
    """Answers with the user's own sound."""

    voice_mode = "own"  # or "cloned", "matched": how it comes by the voice in `request.clip`
    languages = ("English", "Chinese")

    def __init__(self, rate: int):
        self.rate = rate  # samples a second of its replies

    def reply(self, requests: list[Request]) -> list[Answer]:
        return [self.answer(request) for request in requests]

    def answer(self, request: Request) -> Answer:
        """The reply to `request.user` after `request.history`, in the role of
        `request.role_prompt`: audio is (n,) float32 in [-1, 1]."""
        begun = time.monotonic()
        audio = request.user
        # What it heard and what it says, in words; None if it does not know.
        return Answer(audio, text=None, heard=None, latency=time.monotonic() - begun)


def load(rate: int = RATE) -> System:
    """The parameters are the options in the config. Import packages and load weights here."""
    return System(rate)

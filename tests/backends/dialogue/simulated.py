"""Simulated system: answers everything with a tenth of a second of speech."""

from scripts.backends.dialogue import Answer
from tests.backends.simulation import count, tone

ENV = "core"
GPU = False


def load(system: int, threads: int = 1):
    """`system` distinguishes the systems."""
    return System(system)


class System:
    rate = 24_000
    voice_mode = "own"
    languages = ("English", "Chinese")

    def __init__(self, number):
        self.number = number

    def reply(self, requests):
        count("reply", len(requests))
        words = "So it is, my friend, and so it will be for as long as I have a say in it."
        return [
            Answer(tone(self.rate, self.number, one.user), words, None, 1.5) for one in requests
        ]

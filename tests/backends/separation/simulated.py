"""Simulated separation: everything is speech."""

from tests.backends.simulation import count

ENV = "core"
GPU = False


def load(threads: int = 1):
    return Separation()


class Separation:
    def separate(self, audio, rate):
        count("separate", 1)
        return audio

"""Simulated speech quality: all is good."""

from tests.backends.simulation import count

ENV = "core"
GPU = False


def load(threads: int = 1):
    return Quality()


class Quality:
    def rate(self, clips):
        count("rate", len(clips))
        return [{"ovrl": 4.0, "sig": 4.0, "bak": 4.0} for _ in clips]

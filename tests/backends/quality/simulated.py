"""Simulated speech quality: everything is good."""

from scripts.backends.quality import Ratings
from tests.backends.simulation import count

ENV = "core"
GPU = False


def load(threads: int = 1):
    return Quality()


class Quality:
    def rate(self, clips):
        count("rate", len(clips))
        return [Ratings(4.0, 4.0, 4.0) for _ in clips]

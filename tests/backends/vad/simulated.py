"""Simulated voice activity detection: everything is speech."""

import numpy as np

from tests.backends.simulation import count

ENV = "core"
GPU = False


def load(threads: int = 1):
    return Detector()


class Detector:
    step = 0.032

    def speech(self, audio):
        count("vad", 1)
        return [(0.0, len(audio) / 16_000)]

    def talking(self, audio):
        return np.ones(len(audio) // 512, bool)

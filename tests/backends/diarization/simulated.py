"""Simulated diarization: six speakers in turn, five seconds each; a short clip has one speaker."""

from scripts.backends.diarization import SpeakerTurn
from tests.backends.simulation import count

ENV = "core"
GPU = False

TURN, SPEAKERS = 5.0, 6
CLIP = 15.0  # seconds


def load(threads: int = 1):
    return Diarization()


class Diarization:
    def diarize(self, audio):
        count("diarize", 1)
        seconds = len(audio) / 16_000
        turns = int(seconds / TURN) if seconds >= CLIP else 1
        ends = [TURN * n for n in range(1, turns)] + [seconds]
        starts = [0.0, *ends[:-1]]
        return [
            SpeakerTurn(start, end, f"s{n % SPEAKERS}", False)
            for n, (start, end) in enumerate(zip(starts, ends, strict=True))
        ]

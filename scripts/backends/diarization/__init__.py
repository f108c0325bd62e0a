"""Diarization: who speaks when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

KEPT = {"diarize": 1}


@dataclass(frozen=True, order=True)
class SpeakerTurn:
    """A stretch of speech by one speaker, in seconds."""

    start: float
    end: float
    speaker: str
    overlap: bool  # others talk, too, and have turns of the same times; False where nobody knows


class DiarizationBackend(Protocol):
    """What tells speakers apart."""

    def diarize(self, audio: np.ndarray) -> list[SpeakerTurn]:
        """The turns in (n,) float32 at 16 kHz, by start; none in silence."""


def accept(backend: DiarizationBackend, speech: np.ndarray) -> None:
    """Check a backend against the contract on (n,) 16 kHz `speech`; raises AssertionError."""
    turns = backend.diarize(speech)
    assert turns and turns == sorted(turns, key=lambda turn: (turn.start, turn.end))
    for turn in turns:
        assert 0 <= turn.start < turn.end <= len(speech) / 16_000 + 0.1
    assert backend.diarize(np.zeros(16_000, np.float32)) == []

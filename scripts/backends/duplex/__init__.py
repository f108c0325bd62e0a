"""Full-duplex systems: both sides are heard all the time, and either may talk at any moment.

A system gets the user's whole side of a conversation and returns its own side, aligned in time: the
same moment is at the same second of both. It must not use what the user says later: the first t
seconds of its side depend only on the first t seconds of the user's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from scripts.backends.asr import Word

KEPT = {"converse": 4}
SOUND = True

RATE = 24_000  # Hz: of the user's side and of voice samples
FRAME = 0.08  # seconds: a side may be longer or shorter than the user's by one frame


@dataclass(frozen=True)
class Call:
    """A conversation from the user's side, and who the system shall be."""

    user: np.ndarray  # (n,) float32 at RATE
    role_prompt: str  # describes the role; may be empty
    voice: np.ndarray  # a sample of the role's voice, (m,) float32 at RATE; empty: none is given
    voice_text: str  # what is said in it
    language: str = "English"
    seed: int = 0


@dataclass(frozen=True)
class Side:
    """The system's side of a conversation."""

    audio: np.ndarray | None  # (n,) float32 at the backend's rate; None: see `reason`
    words: list[Word] | None  # of the system's own text stream, with times; None if it has none
    compute: float  # seconds that computing took; a service: from the first to the last byte
    reason: str | None = None
    asked: str | None = None  # the model that a service was asked for
    version: str | None = None  # the one that answered, as the service says


class DuplexBackend(Protocol):
    """A full-duplex system."""

    @property
    def rate(self) -> int:
        """Samples a second of its side."""

    @property
    def voice_mode(self) -> str:
        """One of "cloned", "matched" or "own" (the system's voice cannot be chosen)."""

    @property
    def takes_role(self) -> bool:
        """Whether it reads `role_prompt`."""

    def converse(self, calls: list[Call]) -> list[Side]:
        """Its side of each conversation. One that fails has a `reason`, and the others go on."""


def accept(backend: DuplexBackend, call: Call) -> None:
    """Check a backend against the contract on one call; raises AssertionError."""
    assert backend.voice_mode in ("cloned", "matched", "own") and backend.converse([]) == []
    (side,) = backend.converse([call])
    assert side.audio is not None, side.reason
    assert side.audio.dtype == np.float32 and np.abs(side.audio).max(initial=0) <= 1
    length = len(call.user) / RATE
    assert abs(len(side.audio) / backend.rate - length) <= FRAME
    for word in side.words or []:
        assert 0 <= word.start <= word.end <= length + FRAME
    (short,) = backend.converse([replace(call, user=call.user[: len(call.user) // 2])])
    assert short.audio is not None
    # What comes later changes nothing before it, but for the filters of a resampler.
    same = max(0, len(short.audio) - round(2 * FRAME * backend.rate))
    assert np.allclose(short.audio[:same], side.audio[:same], atol=1e-2)

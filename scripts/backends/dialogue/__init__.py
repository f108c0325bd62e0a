"""Systems under test: speech in, speech out, in a role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

KEPT = {"reply": 32}
SOUND = True


@dataclass(frozen=True)
class Answer:
    """A reply. `heard` and `text` are None if the system does not provide them."""

    audio: np.ndarray | None  # (n,) float32 at the backend's rate; None: no reply, see `reason`
    text: str | None
    heard: str | None
    latency: float  # seconds from the end of the user's speech to the whole reply; see each backend
    reason: str | None = None
    voiced: bool = True  # False: the reason is that a service will not voice the reply
    asked: str | None = None  # the model that a service was asked for
    version: str | None = None  # the one that answered, as the service says
    handle: dict | None = None  # JSON; for the backend only, to find the reply again


@dataclass(frozen=True)
class Request:
    """One user utterance for a role, with the conversation so far."""

    role: str  # role id
    language: str
    name: str  # what the role is called
    role_prompt: str  # describes the role to a language model
    manner: str  # how to answer: aloud, briefly, in the role's language
    clip: np.ndarray  # reference voice, (n,) float32 at 16 kHz
    clip_text: str
    user: np.ndarray  # (n,) float32 at 16 kHz
    history: tuple[tuple[np.ndarray, Answer], ...] = field(default=())  # (user audio, answer)


class DialogueBackend(Protocol):
    """A system under test."""

    @property
    def voice_mode(self) -> str:
        """One of "cloned", "matched" or "own" (the system's voice cannot be chosen)."""

    @property
    def rate(self) -> int:
        """Samples a second of its replies."""

    @property
    def languages(self) -> Sequence[str]:
        """Those that it speaks; it is never asked in another one."""

    def reply(self, requests: list[Request]) -> list[Answer]:
        """An answer to each request. `respond` calls this once for each turn number with the
        requests of all dialogues, so a backend can work in batches; earlier turns are in
        `history`."""


def accept(backend: DialogueBackend, request: Request) -> None:
    """Check a backend against the contract on one request; raises AssertionError."""
    assert backend.voice_mode in ("cloned", "matched", "own")
    assert request.language in backend.languages and backend.reply([]) == []
    (answer,) = backend.reply([request])
    assert answer.audio is not None and answer.audio.dtype == np.float32 and answer.latency > 0
    assert len(answer.audio) > 0.2 * backend.rate and np.abs(answer.audio).max() <= 1
    (second,) = backend.reply([replace(request, history=((request.user, answer),))])
    assert (second.audio is None) == (second.reason is not None)

"""A full-duplex system (`duplex`) that is asked a turn at a time.

It hears the user's turn and then silence, until it has answered: it has spoken and was silent for
`done` seconds, or `longest` seconds are over. Its answer is what it says after the user's turn. As
such a system has no other memory, the earlier turns are played to it again, as one conversation in
which the user was silent for as long as the earlier answers took.

The role's description is its role prompt and the reference clip its voice sample; `manner` and
`name` are not used. It speaks where 80 ms of its side have a root mean square above QUIET. The text
is that of its own text stream, if it has one. `latency` of an answer is that of the conversation,
from the end of the user's turn to the end of the answer, and not the time that computing took.
`languages` are those that the system speaks, which its own contract does not tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scripts import backends
from scripts.backends.dialogue import Answer, DialogueBackend, Request
from scripts.backends.duplex import FRAME, RATE, Call, DuplexBackend, Side
from scripts.common.audio import resample
from scripts.common.job import made, passed_on
from scripts.workflow.model_spec import ModelSpec

ENV = ("core", "torch", "personaplex", "api")  # those of its part
GPU = False  # its part may use one

HEARD = 16_000  # Hz: of requests
QUIET = 0.003  # root mean square: -50 dB of full scale


def load(
    duplex: ModelSpec,
    longest: float = 20.0,
    done: float = 2.0,
    languages: Sequence[str] = ("English",),
) -> DialogueBackend:
    """Load the system (a spec). Times are in seconds."""
    return Duplex(backends.load(duplex), longest, done, languages)


class Duplex:
    """See the contract in scripts/backends/dialogue/__init__.py."""

    def __init__(
        self, system: DuplexBackend, longest: float, done: float, languages: Sequence[str]
    ):
        self.system = system
        self.longest, self.done = longest, done
        self.languages = tuple(languages)
        self.voice_mode = system.voice_mode
        self.rate = system.rate

    def reply(self, requests: list[Request]) -> list[Answer]:
        """Answer each request; see the contract in scripts/backends/dialogue/__init__.py."""
        sides = [self.user(request) for request in requests]
        calls = [
            Call(
                user=np.concatenate([user, np.zeros(round(self.longest * RATE), np.float32)]),
                role_prompt=request.role_prompt,
                voice=resample(request.clip, HEARD, RATE),
                voice_text=request.clip_text,
                language=request.language,
            )
            for user, request in zip(sides, requests, strict=True)
        ]

        def whole(place: int, side: Side) -> Answer:
            return self.answer(side, len(sides[place]) / RATE, requests[place].language)

        def keep(place: int, side: Side) -> None:
            made(self, "reply", place, whole(place, side))

        with passed_on(self.system, "converse", keep):
            heard = self.system.converse(calls)
        return [whole(place, side) for place, side in enumerate(heard)]

    def user(self, request: Request) -> np.ndarray:
        """The user's side up to the end of the last turn, (n,) float32 at 24 kHz."""
        parts = []
        for user, answer in request.history:
            silence = min(answer.latency + self.done, self.longest)
            parts += [resample(user, HEARD, RATE), np.zeros(round(silence * RATE), np.float32)]
        return np.concatenate([*parts, resample(request.user, HEARD, RATE)])

    def answer(self, side: Side, start: float, language: str) -> Answer:
        """What the system says from second `start` on, until it has answered."""
        none = Answer(None, None, None, side.compute, side.reason, True, side.asked, side.version)
        if side.audio is None:
            return none
        sound = side.audio[round(start * self.rate) :]
        first, last = spoken(sound, self.rate, self.done)
        if first == last:
            reason = f"the system said nothing in {self.longest:g} s after the user's turn"
            return replace(none, latency=self.longest, reason=side.reason or reason)
        text = None
        if side.words is not None:
            end = start + last * FRAME
            said = [word.word for word in side.words if start <= word.start < end]
            text = ("" if language == "Chinese" else " ").join(said)
        width = FRAME * self.rate
        sound = sound[round(first * width) : round(last * width)]
        return replace(none, audio=sound, text=text, latency=last * FRAME, reason=None)


def spoken(sound: np.ndarray, rate: int, done: float) -> tuple[int, int]:
    """The frames [first, last) of 80 ms from the first that is not quiet to the last before `done`
    seconds of quiet; (0, 0) if all are quiet."""
    width = FRAME * rate
    frames = [
        sound[round(i * width) : round((i + 1) * width)] for i in range(int(len(sound) / width))
    ]
    loud = [i for i, part in enumerate(frames) if np.sqrt(np.mean(part**2)) > QUIET]
    if not loud:
        return 0, 0
    last = loud[0]
    for i in loud:
        if (i - last - 1) * FRAME >= done:
            break
        last = i
    return loud[0], last + 1

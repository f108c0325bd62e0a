"""The agent of one call behind end-of-turn detection: what it does at the end of each frame."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from scripts.backends.asr import Word
from scripts.backends.dialogue import Answer, Request
from scripts.backends.duplex import FRAME, Side
from scripts.backends.duplex._user import HEARD, NEVER, TINY, pieces
from scripts.backends.duplex._words import joined, timed, until
from scripts.backends.vad import VadBackend

SHORTEST = 0.2  # seconds: shorter sounds are no speech of the user
BEFORE = 0.5  # seconds before a turn that are heard with it
FADE = 0.04  # seconds: of speech that is stopped


@dataclass(frozen=True)
class Policy:
    """When the agent talks, in seconds; see scripts/backends/duplex/end_of_turn.py."""

    pause: float
    longest_pause: float
    delay: float
    barge_in: float
    backchannel_after: float
    backchannel_every: float


@dataclass(frozen=True)
class Speech:
    """An answer that is being said."""

    answer: Answer
    user: np.ndarray  # what it answers, (n,) float32 at 16 kHz
    start: int  # frame
    end: int  # the first frame without it


class Agent:
    """Follows the user frame by frame. What it decides at the end of a frame is heard from the next
    one on."""

    def __init__(
        self,
        request: Request,
        seconds: float,
        rate: int,
        policy: Policy,
        vad: VadBackend,
        complete: Callable[[np.ndarray], float],
        nod: Callable[[], tuple[str, np.ndarray]] | None,
    ):
        """`request`: what all requests have in common, and the user's whole side as `user`. `nod`
        gives the text and the speech, (n,) float32 at `rate`, of a backchannel."""
        begun = time.monotonic()
        self.request, self.user = request, request.user
        self.seconds, self.rate = seconds, rate
        self.policy, self.complete, self.nod = policy, complete, nod
        frames = len(self.user) // round(FRAME * HEARD)
        talking = vad.talking(self.user)
        self.pieces = pieces(talking, vad.step, policy.pause, SHORTEST, frames)
        self.out = np.zeros(round(seconds * rate), np.float32)
        self.frame = 0  # number of frames heard
        self.begin = self.end = NEVER  # of the user's latest speech
        self.answered = NEVER  # the end of the user's speech that needs no answer any more
        self.turn: float | None = None  # the beginning of the user's turn
        self.judged = NEVER  # the end of the speech after which Smart Turn was asked
        self.asking: Request | None = None  # what will be answered from frame `start` on
        self.start = 0
        self.speech: Speech | None = None
        self.nodded, self.busy = NEVER, 0  # when it last did, and the first frame after that
        self.history: list[tuple[np.ndarray, Answer]] = []
        self.words: list[Word] = []
        self.answers: list[Answer] = []
        self.faults: list[str] = []
        self.spent = time.monotonic() - begun

    @property
    def now(self) -> float:
        return self.frame * FRAME

    def advance(self, answer: Answer | None = None) -> Request | None:
        """Go on to the next request, after the `answer` to the last one; None at the end."""
        begun = time.monotonic()
        if answer is not None:
            self.say(answer)
        asked = None
        while self.frame < len(self.pieces) and asked is None:
            self.begin, self.end = self.pieces[self.frame]
            self.frame += 1
            self.step()
            if self.asking and self.frame >= self.start:
                asked = self.asking
        if asked is None and self.speech:
            self.finish(np.inf)
        self.spent += time.monotonic() - begun
        return asked

    def step(self) -> None:
        """What follows from the frame that was heard last."""
        new = self.begin > self.answered
        if self.speech:
            if new and self.end - self.begin > self.policy.barge_in - TINY:
                self.stop()
            elif self.frame >= self.speech.end:
                self.finish(np.inf)
                if self.now - self.end > self.policy.pause - TINY:
                    self.answered = self.end  # a backchannel of the user's
            else:
                return
        if self.asking and new:
            self.asking = None
        if not self.asking:
            self.follow()

    def follow(self) -> None:
        """Decide whether the user's turn has begun, pauses or has ended."""
        if self.turn is None:
            if self.begin <= self.answered:
                return
            self.turn = self.begin
        quiet = self.now - self.end + TINY
        if quiet < self.policy.pause:
            return
        new, self.judged = self.end > self.judged, self.end
        turn = self.user[round(max(0, self.turn - BEFORE) * HEARD) : round(self.now * HEARD)]
        if quiet >= self.policy.longest_pause or (new and self.complete(turn) > 0.5):
            self.asking = replace(self.request, user=turn, history=tuple(self.history))
            self.start = max(self.busy, self.frame + frames(self.policy.delay))
            self.answered = self.end
        elif new and self.nod and self.now - self.turn > self.policy.backchannel_after:
            self.encourage()

    def encourage(self) -> None:
        """Say a backchannel, unless the last one was a moment ago."""
        if self.nod is None or self.now - self.nodded < self.policy.backchannel_every - TINY:
            return
        try:
            text, sound = self.nod()
        except ValueError as error:
            self.faults.append(f"the backchannel cannot be spoken: {error}")
            self.nod = None
            return
        seconds = len(sound) / self.rate
        self.put(sound)
        self.words += timed(text, self.now, self.now + seconds)
        self.nodded, self.busy = self.now, self.frame + frames(seconds)

    def say(self, answer: Answer) -> None:
        """Begin to say the answer to what was asked."""
        assert self.asking is not None, "an answer follows a request"
        user, self.asking, self.turn = self.asking.user, None, None
        self.answers.append(answer)
        if answer.audio is None:
            self.faults.append(answer.reason or "there is no answer")
        elif not len(answer.audio) or not np.isfinite(answer.audio).all():
            self.faults.append(
                "the audio of the answer is empty or holds values that are no numbers"
            )
        else:
            self.put(answer.audio)
            end = self.frame + frames(len(answer.audio) / self.rate)
            self.speech = Speech(answer, user, self.frame, end)

    def stop(self) -> None:
        """Fade the speech out from now on."""
        assert self.speech is not None
        at = round(self.now * self.rate)
        rest = self.out[at : round(self.speech.end * FRAME * self.rate)]
        fade = 1 - np.arange(len(rest)) / (FADE * self.rate)
        rest *= np.maximum(0, fade).astype(np.float32)
        self.finish(self.now + FADE)

    def finish(self, end: float) -> None:
        """Remember what was heard of the speech until `end`."""
        assert self.speech is not None
        answer, start = self.speech.answer, self.speech.start * FRAME
        sound = answer.audio
        assert sound is not None
        whole = start + len(sound) / self.rate
        if answer.text is not None:
            words = until(timed(answer.text, start, whole), end)
            self.words += words
            if end < whole:
                answer = replace(answer, text=joined(words, self.request.language))
        if end < whole:
            answer = replace(answer, audio=sound[: round((end - start) * self.rate)])
        self.history.append((self.speech.user, answer))
        self.speech = None

    def put(self, sound: np.ndarray) -> None:
        """Write (n,) float32 at `rate` into the agent's side from now on, as far as it goes."""
        place = self.out[round(self.now * self.rate) :][: len(sound)]
        place[:] = sound[: len(place)]

    def side(self) -> Side:
        """The agent's side after the last frame."""
        compute = self.spent + sum(answer.latency for answer in self.answers)
        reason = None
        if self.faults:
            reason = (
                f"{len(self.faults)} of its utterances failed, the first because {self.faults[0]}"
            )
        if self.faults and not self.history:
            return Side(None, None, compute, reason, *self.origin())
        has_text = all(answer.text is not None for _, answer in self.history)
        words = until(self.words, self.seconds) if has_text else None
        return Side(self.out, words, compute, reason, *self.origin())

    def origin(self) -> tuple[str | None, str | None]:
        """The model that a service was asked for, and the versions that answered."""
        asked = [answer.asked for answer in self.answers if answer.asked]
        versions = dict.fromkeys(answer.version for answer in self.answers if answer.version)
        return (asked[-1] if asked else None), " + ".join(versions) or None


def frames(seconds: float) -> int:
    """The frames that a time takes, whole ones."""
    return math.ceil(seconds / FRAME - TINY)

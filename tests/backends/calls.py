"""Calls whose user is made of tones, and stand-ins for what follows the user."""

from __future__ import annotations

import numpy as np

from scripts.backends.dialogue import Answer
from scripts.backends.duplex import RATE, Call, end_of_turn
from scripts.backends.duplex._agent import Policy

MORE, DONE, QUIET = 0.2, 0.5, 0.0  # amplitudes: the turn goes on after it, ends with it, silence


def user(*parts: tuple[float, float]) -> np.ndarray:
    """Tones of (seconds, amplitude), one after another."""
    tones = [
        amplitude * np.sin(2 * np.pi * 200 * np.arange(round(seconds * RATE)) / RATE)
        for seconds, amplitude in parts
    ]
    return np.concatenate([*tones, np.zeros(0)]).astype(np.float32)


def call(*parts: tuple[float, float], **fields) -> Call:
    none = np.zeros(0, np.float32)
    given = {"user": user(*parts), "role_prompt": "You are Ann.", "voice": none, "voice_text": ""}
    return Call(**{**given, **fields})


def heard_at(audio: np.ndarray, rate: int) -> list[tuple[float, float]]:
    """(start, end) of what is not zero, in seconds; gaps of less than 10 ms do not count."""
    places = np.flatnonzero(audio)
    if not len(places):
        return []
    breaks = np.flatnonzero(np.diff(places) > rate / 100)
    starts, ends = places[[0, *(breaks + 1)]], places[[*breaks, -1]]
    return [
        (round(a / rate, 3), round((b + 1) / rate, 3)) for a, b in zip(starts, ends, strict=True)
    ]


class Ears:
    """Hears everything that is not quiet as speech."""

    step = 0.032

    def talking(self, audio):
        windows = audio[: len(audio) // 512 * 512].reshape(-1, 512)
        return np.abs(windows).max(axis=1, initial=0) > 0.05


class Turns:
    """Takes a turn as complete where its end is loud."""

    def complete(self, audio):
        loud = np.abs(audio[-16_000:])
        tail = loud[: np.flatnonzero(loud > 0.05)[-1] + 1]
        return float(tail[-400:].max() > 0.35)


class Talker:
    """Answers with `seconds` of a constant."""

    rate = 24_000
    voice_mode = "cloned"
    languages = ("English", "Chinese")
    text = "One two three four five."

    def __init__(self, seconds=1.0, answers=()):
        self.seconds = seconds
        self.answers = list(answers)  # instead of speech, first of all
        self.batches: list[list] = []

    @property
    def requests(self):
        return [request for batch in self.batches for request in batch]

    def reply(self, requests):
        self.batches.append(requests)
        return [
            self.answers.pop(0)
            if self.answers
            else Answer(
                np.full(round(self.seconds * self.rate), 0.3, np.float32), self.text, "", 0.7
            )
            for _ in requests
        ]


class Mouth:
    """Says a backchannel in 0.4 s."""

    rate = 16_000
    voice_mode = "cloned"

    def voice(self, clip, text, language):
        return {"text": text}

    def fixed_voice(self, language):
        return {}

    def speak(self, lines):
        return [np.full(6400, 0.1, np.float32) for _ in lines]


def system(talker: Talker, tts=None, **times) -> end_of_turn.EndOfTurn:
    default = {
        "pause": 0.2,
        "longest_pause": 3.0,
        "delay": 0.8,
        "barge_in": 0.5,
        "backchannel_after": 4.0,
        "backchannel_every": 5.0,
    }
    return end_of_turn.EndOfTurn(talker, Ears(), Turns(), tts, Policy(**{**default, **times}))

"""The controls do what they are for, and nothing that comes later changes it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from scripts import backends
from scripts.backends import duplex
from scripts.backends.duplex import RATE, always_talking, echo, silent
from tests.backends.calls import DONE, QUIET, call

ONE = call((0.5, QUIET), (1, DONE), (0.7333, QUIET))


class Reader:
    """Speaks with pauses between the words; `mode` is its voice mode."""

    rate = 16_000

    def __init__(self, mode="cloned"):
        self.voice_mode = mode
        self.lines = []

    def voice(self, clip, text, language):
        return {"clip": len(clip), "text": text}

    def fixed_voice(self, language):
        return {"fixed": language}

    def speak(self, lines):
        self.lines += lines
        sound = np.sin(np.arange(8000) / 5).astype(np.float32) * 0.5
        return [np.concatenate([sound, np.zeros(4000, np.float32), sound]) for _ in lines]


@pytest.fixture
def talking(monkeypatch):
    def make(mode="cloned"):
        monkeypatch.setattr(backends, "load", lambda spec: Reader(mode))
        return always_talking.load("tts")

    return make


@pytest.mark.parametrize("name", ["silent", "echo", "always_talking"])
def test_keeps_the_contract_and_refuses_what_is_no_audio(name, talking):
    make = {"silent": silent.load, "echo": echo.load, "always_talking": talking}
    backend = make[name]()
    duplex.accept(backend, ONE)
    holes = call(user=np.array([0.1, np.nan, 0.1], np.float32))
    empty, nan, fine = backend.converse([call(), holes, ONE])
    assert empty.audio is nan.audio is None and empty.reason and nan.reason
    assert fine.reason is None and len(fine.audio) == round(len(ONE.user) / RATE * backend.rate)


def test_silent_says_nothing():
    (side,) = silent.load().converse([ONE])
    assert not side.audio.any() and side.words == []


def test_echo_is_one_frame_late():
    (side,) = echo.load().converse([ONE])
    assert np.array_equal(side.audio[1920:], ONE.user[:-1920]) and not side.audio[:1920].any()
    loud = call(user=np.full(5000, 2, np.float32))
    assert echo.load().converse([loud])[0].audio.max() == 1


def test_always_talking_never_pauses(talking):
    (side,) = talking().converse([ONE])
    loud = np.abs(side.audio[: len(side.audio) // 480 * 480].reshape(-1, 480)).max(axis=1)
    assert loud.min() > 0.1  # in each 30 ms
    assert side.words[0].start == 0 and side.words[-1].end == pytest.approx(len(ONE.user) / RATE)
    assert [w.word for w in side.words[:3]] == ["and", "so", "we"]


def test_always_talking_has_the_voice_that_it_is_given(talking):
    backend = talking()
    sample = np.zeros(48_000, np.float32)
    backend.converse([call((1, DONE), voice=sample, voice_text="Hello."), ONE])
    assert [line[1] for line in backend.tts.lines] == [
        {"clip": 32_000, "text": "Hello."},
        {"fixed": "English"},
    ]
    assert backend.voice_mode == "cloned" and talking("fixed").voice_mode == "own"


def test_a_passage_that_cannot_be_spoken_is_told(talking, monkeypatch):
    def refuse(self, lines):
        raise ValueError("the service refused")

    backend = talking()
    monkeypatch.setattr(Reader, "speak", refuse)
    (side,) = backend.converse([ONE])
    assert side.audio is None and "the service refused" in side.reason


@settings(max_examples=30, deadline=None)
@given(some.integers(1, 9000), some.integers(1, 9000), some.integers(0, 9000))
def test_what_comes_later_changes_nothing_before_it(length, other, at):
    noise = np.random.default_rng(length).uniform(-1, 1, 9000).astype(np.float32)
    users = noise[:length], np.concatenate([noise[: min(at, length)], noise[::-1][:other]])
    for backend in (silent.load(), echo.load(), always_talking.AlwaysTalking(Reader())):
        sides = [backend.converse([call(user=user)])[0].audio for user in users]
        same = min(at, length) * backend.rate // RATE
        assert np.array_equal(sides[0][:same], sides[1][:same])

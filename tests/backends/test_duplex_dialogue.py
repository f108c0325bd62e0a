"""A duplex system that is asked a turn at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scripts import backends
from scripts.backends import dialogue
from scripts.backends.asr import Word
from scripts.backends.dialogue import Request
from scripts.backends.dialogue.duplex import load, spoken
from scripts.backends.duplex import RATE, Side
from tests.backends.calls import Talker, system

USER = (0.5 * np.sin(np.arange(16_000) / 10)).astype(np.float32)  # 1 s at 16 kHz
ASK = Request("ann", "English", "Ann", "You are Ann.", "Be brief.", USER, "Hello.", USER)


class Scripted:
    """Says each of its words as a tone of its time."""

    rate = 8000
    voice_mode = "own"
    takes_role = True

    def __init__(self, *words: Word):
        self.words = list(words)
        self.calls = []

    def converse(self, calls):
        self.calls += calls
        return [self.side(call) for call in calls]

    def side(self, call):
        audio = np.zeros(round(len(call.user) / RATE * self.rate), np.float32)
        for word in self.words:
            audio[round(word.start * self.rate) : round(word.end * self.rate)] = 0.2
        return Side(audio, self.words, 0.1)


@pytest.fixture
def asked(monkeypatch):
    def make(duplex, **options):
        monkeypatch.setattr(backends, "load", lambda spec: duplex)
        return load("spec", **options)

    return make


def test_keeps_the_contract(asked):
    dialogue.accept(asked(system(Talker())), ASK)


def test_the_answer_is_what_is_said_after_the_turn_until_it_is_silent(asked):
    duplex = Scripted(
        Word("mm-hm", 0.4, 0.6), Word("Good", 1.8, 2.2), Word("day.", 3.0, 3.4), Word("Hm?", 7, 8)
    )
    backend = asked(duplex)
    (answer,) = backend.reply([ASK])
    assert answer.text == "Good day." and answer.reason is None
    assert answer.latency == pytest.approx(2.4)
    assert len(answer.audio) == round(1.6 * 8000)
    (call,) = duplex.calls
    assert len(call.user) == 21 * RATE and not call.user[RATE:].any()
    assert call.role_prompt == "You are Ann." and len(call.voice) == RATE
    assert backend.voice_mode == "own" and backend.languages == ("English",)


def test_earlier_turns_are_one_conversation_with_this_one(asked):
    duplex = Scripted(Word("Good", 1.8, 2.2))
    backend = asked(duplex, longest=5.0, done=1.0)
    (first,) = backend.reply([ASK])
    backend.reply([replace(ASK, history=((USER, first),))])
    one, two = (call.user for call in duplex.calls)
    gap = round((first.latency + 1.0) * RATE)
    assert len(two) == RATE + gap + RATE + 5 * RATE
    assert np.array_equal(two[: RATE + gap], one[: RATE + gap])


def test_the_first_answer_is_said_again_when_turns_are_replayed(asked):
    """So the system answers the second turn after what it said to the first; one behind end-of-turn
    detection remembers that."""
    talker = Talker()
    backend = asked(system(talker))
    (first,) = backend.reply([ASK])
    backend.reply([replace(ASK, history=((USER, first),))])
    _, second = talker.requests
    assert [answer.text for _, answer in second.history] == [first.text]


def test_who_says_nothing_gives_no_answer(asked):
    (answer,) = asked(Scripted(Word("mm-hm", 0.2, 0.6))).reply([ASK])
    assert answer.audio is None and "said nothing in 20 s" in answer.reason


def test_a_side_that_failed_tells_why_and_leaves_the_others_alone(asked):
    class Half(Scripted):
        def side(self, call):
            done = super().side(call)
            return Side(None, None, 0.1, "it broke") if call.role_prompt == "bad" else done

    backend = asked(Half(Word("Good", 1.8, 2.2)))
    bad, good = backend.reply([replace(ASK, role_prompt="bad"), ASK])
    assert bad.audio is None and bad.reason == "it broke" and good.audio is not None


def test_a_system_without_words_has_no_text(asked, monkeypatch):
    duplex = Scripted(Word("Good", 1.8, 2.2))
    monkeypatch.setattr(
        duplex, "side", lambda call: replace(Scripted.side(duplex, call), words=None)
    )
    (answer,) = asked(duplex).reply([ASK])
    assert answer.text is None and answer.audio is not None


def test_an_agent_that_never_stops_is_cut(asked):
    (answer,) = asked(Scripted(Word("la", 0, 99)), longest=4.0).reply([ASK])
    assert answer.latency == 4.0 and len(answer.audio) == 4 * 8000


def test_the_place_of_speech():
    sound = np.zeros(8000, np.float32)
    assert spoken(sound, 1000, 2.0) == (0, 0) == spoken(sound[:0], 1000, 2.0)
    sound[1000:1100] = 0.1  # frames 12 and 13
    sound[3119:3200] = 0.1  # frames 38 and 39, after 24 quiet ones (1.92 s)
    sound[5500:5600] = 0.1
    assert spoken(sound, 1000, 2.0) == (12, 40)
    assert spoken(sound, 1000, 1.9) == (12, 14)

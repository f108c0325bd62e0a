"""The cascade with stub parts: what it passes on, what it leaves out, how it fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scripts import backends
from scripts.backends import dialogue
from scripts.backends.asr import Transcription
from scripts.backends.dialogue import Answer, Request
from scripts.backends.dialogue.cascade import load, speakable
from scripts.backends.llm import NoReply
from scripts.backends.tts import Unvoiced
from scripts.common.job import kept
from tests.backends.told import told

USER = np.ones(1600, np.float32) * 0.1


class Ears:
    def transcribe(self, clips, language=None):
        return [Transcription(f"{len(clip)} in {language}", language) for clip in clips]


class Brain:
    def __init__(self, replies=()):
        self.calls = []
        self.replies = list(replies)

    def generate(self, chats, max_tokens, seed=0, temperature=0.0):
        self.calls.append(chats)
        return [self.replies.pop(0) if self.replies else "Fine, thanks." for _ in chats]


class Mouth:
    rate = 8000
    voice_mode = "matched"

    def __init__(self):
        self.made, self.spoken = [], []

    def voice(self, clip, text, language):
        self.made.append(text)
        return f"voice of {text}"

    def fixed_voice(self, language):
        return f"the users' voice in {language}"

    def speak(self, lines):
        for text, _, _ in lines:
            if not text.strip("."):
                raise ValueError(f"nothing to say in {text!r}")
        self.spoken += lines
        return [np.full(4000, 0.1, np.float32) for _ in lines]


@pytest.fixture
def system(monkeypatch):
    def make(replies=(), **options):
        parts = {"asr": Ears(), "llm": Brain(replies), "tts": Mouth()}
        monkeypatch.setattr(backends, "load", lambda spec: parts[spec])
        return load("asr", "llm", "tts", **options)

    return make


def request(role="joe", **fields) -> Request:
    given = {
        "role": role,
        "language": "English",
        "name": "Joe",
        "role_prompt": f"You are {role}.",
        "manner": "Be brief.",
        "clip": USER,
        "clip_text": f"{role}'s clip",
        "user": USER,
    }
    return Request(**{**given, **fields})


def test_keeps_the_contract(system):
    dialogue.accept(system(), request())


def test_role_prompt_history_and_voice_are_handed_on(system):
    cascade = system()
    before = (USER, Answer(USER, "Hi yourself.", "Hi Joe.", 1.0))
    cascade.reply([request(history=(before,)), request("faye", language="Chinese"), request()])
    ((with_history, _, without),) = cascade.llm.calls
    assert with_history == [
        {"role": "system", "content": "You are joe.\n\nBe brief."},
        {"role": "user", "content": "Hi Joe."},
        {"role": "assistant", "content": "Hi yourself."},
        {"role": "user", "content": "1600 in English"},
    ]
    assert without[1:] == [{"role": "user", "content": "1600 in English"}]
    assert cascade.tts.made == ["joe's clip", "faye's clip"]
    assert cascade.tts.spoken[1] == ("Fine, thanks.", "voice of faye's clip", "Chinese")


def test_without_a_reference_clip_the_voice_is_the_users(system):
    cascade = system()
    cascade.reply([request(clip=USER[:0])])
    assert cascade.tts.made == []
    assert cascade.tts.spoken == [("Fine, thanks.", "the users' voice in English", "English")]


def test_without_role_prompt_only_the_manner_is_left(system):
    for cascade, asked in (
        (system(role_prompt=False), request()),
        (system(), request(role_prompt="")),
    ):
        cascade.reply([asked])
        assert cascade.llm.calls[0][0][0] == {"role": "system", "content": "Be brief."}


def test_an_answer_is_told_when_it_is_spoken(system, monkeypatch):
    """Also where one that cannot be spoken has each spoken alone."""
    model = system(["One.", "...", "Three."])
    speak = model.tts.speak
    monkeypatch.setattr(model.tts, "speak", lambda lines: kept(model.tts, "speak", speak(lines)))
    with told() as early:
        answers = model.reply([request(), request(), request()])
    assert [answer.text for answer in early(model, "reply")] == ["One.", "Three."]
    assert [answer.text for answer in answers if not answer.reason] == ["One.", "Three."]
    assert not early(model.tts, "speak")  # a part's results are no answers


def test_answers_keep_the_order_of_the_requests(system):
    cascade = system(["of joe 1", "of faye", "of joe 2"])
    answers = cascade.reply([request(), request("faye"), request()])
    assert [answer.text for answer in answers] == ["of joe 1", "of faye", "of joe 2"]


@pytest.mark.parametrize(
    "reply, reason", [("", "empty"), ("*sighs* 🙂", "nothing to say in '*sighs*")]
)
def test_what_cannot_be_spoken_has_a_reason(system, reply, reason):
    first, second = system([reply, "Fine."]).reply([request(), request()])
    assert first.audio is None and reason in first.reason and first.text == ""
    assert second.audio is not None and second.reason is None


def test_what_a_service_will_not_voice_says_so_and_loses_no_other_reply(system, monkeypatch):
    def speak(self, lines):
        if any(voice == "voice of faye's clip" for _, voice, _ in lines):
            raise Unvoiced("there is no voice: the service refused")
        return [USER for _ in lines]

    monkeypatch.setattr(Mouth, "speak", speak)
    refused, fine = system().reply([request("faye"), request()])
    assert not refused.voiced and refused.text == "Fine, thanks."
    assert refused.reason == "the reply cannot be spoken: there is no voice: the service refused"
    assert fine.voiced and fine.audio is not None


def test_a_reply_that_cannot_be_spoken_is_the_systems_own_fault(system):
    (answer,) = system(["..."]).reply([request()])
    assert answer.audio is None and answer.voiced


def test_why_a_service_gave_no_reply_is_kept(system):
    none, fine = system([NoReply("the service refused"), "Fine."]).reply([request(), request()])
    assert none.audio is None and none.reason == "the service refused"
    assert fine.audio is not None and fine.reason is None


def test_seconds_add_up_over_the_parts(system, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(
        "scripts.backends.dialogue.cascade.time.monotonic", lambda: float(next(clock))
    )
    one, two = system().reply([request(), request()])
    assert one.latency == two.latency == 0.5 + 0.5  # half of hearing and writing, half of speaking


@pytest.mark.parametrize(
    "raw, said",
    [
        ("Joe: *grins* Hello (waves), friend.", "Hello, friend."),
        ("“Well, well.”\n", "Well, well."),
        ('I saw "The Office".', 'I saw "The Office".'),
        ("I fly planes. I also have", "I fly planes."),
        ("It costs 3.5 dollars", "It costs 3.5 dollars"),
        ("当然可以。我先去", "当然可以。"),
        ("- One\n- Two", "One Two"),
        ("*sighs*", ""),
        ("# Hello 🙂\n**Never** *ever* mind.", "Hello Never ever mind."),
    ],
)
def test_only_what_is_said_aloud_is_spoken(raw, said):
    assert speakable(raw, "Joe") == said


def test_a_reply_in_the_wrong_language_is_left_alone(system):
    (answer,) = system(["I speak English."]).reply([replace(request(), language="Chinese")])
    assert answer.text == "I speak English."

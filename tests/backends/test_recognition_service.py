"""Speech recognition by a service, against a server that speaks its protocol."""

from __future__ import annotations

import numpy as np
import pytest
import websocket
from hypothesis import given
from hypothesis import strategies as st

from scripts.backends import asr
from scripts.backends.asr import Transcription
from scripts.backends.asr.dashscope import guessed
from scripts.common.audio import pcm
from scripts.common.errors import UserError
from scripts.services import model_studio
from tests.servers.dashscope import ModelStudio
from tests.servers.speech import KEY, SPEECH, STUDIO_ONCE, always, load


@pytest.fixture(autouse=True)
def key(services, monkeypatch):
    """Each test has its own store."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)


def test_recognition_keeps_its_contract():
    with ModelStudio(KEY, hears=always("Good morning.")) as server:
        asr.accept(load("asr", "dashscope", server), SPEECH)


def test_a_clip_is_sent_whole_and_heard_once():
    long = np.tile(SPEECH, 30)
    with ModelStudio(KEY, hears=lambda sound: [f"{len(sound)} bytes."]) as server:
        backend = load("asr", "dashscope", server)
        first = backend.transcribe([long, SPEECH, np.zeros(16_000, np.float32)], "English")
        assert [item.text for item in first] == ["2400000 bytes.", "80000 bytes.", ""]
        assert sorted(server.sounds, key=len) == [pcm(SPEECH), pcm(long)]
        assert {str(task["parameters"]["language_hints"]) for task in server.tasks} == {"['en']"}
        again = load("asr", "dashscope", server).transcribe([SPEECH, long], "English")
        assert [item.text for item in again] == ["80000 bytes.", "2400000 bytes."]
        assert len(server.sounds) == 2


@pytest.mark.parametrize(
    "sentences, language, text, told",
    [
        (["Good morning.", "How are you?"], None, "Good morning. How are you?", "English"),
        (["早上好。", "你好嗎？"], None, "早上好。你好吗？", "Chinese"),
        (["我用Python写程序。"], None, "我用Python写程序。", "Chinese"),
        (["你好"], "English", "你好", "English"),
        ([], "Chinese", "", "Chinese"),
    ],
)
def test_sentences_are_joined_as_their_language_is_written(sentences, language, text, told):
    with ModelStudio(KEY, hears=always(*sentences)) as server:
        (heard,) = load("asr", "dashscope", server).transcribe([SPEECH], language)
    assert heard == Transcription(text, told)


def test_what_was_heard_holds_no_key_and_no_half_of_a_letter():
    with ModelStudio(KEY, hears=always(f"Your key is {KEY}.", "\ud83d")) as server:
        (heard,) = load("asr", "dashscope", server).transcribe([SPEECH], "English")
    assert heard.text == "Your key is [DASHSCOPE_API_KEY]."


@pytest.mark.parametrize("error", [RecursionError(), KeyError("text"), TypeError(), ValueError()])
def test_a_message_that_the_sdk_cannot_read_is_a_fault_of_the_service(error):
    assert model_studio.fault(error).kind == "transient"


def test_a_language_it_does_not_speak_is_refused():
    with ModelStudio(KEY) as server, pytest.raises(UserError, match="French"):
        load("asr", "dashscope", server).transcribe([SPEECH], "French")


@given(st.integers(1, 30), st.integers(0, 15))
def test_the_language_of_a_text_is_told_by_its_letters(characters, words):
    assert guessed("好" * characters + " word" * words) == (
        "Chinese" if characters >= words / 2 else "English"
    )
    assert guessed("word " * words) == "English"


@pytest.mark.parametrize("fault", STUDIO_ONCE, ids=str)
def test_a_clip_is_heard_in_spite_of_a_fault(fault):
    with ModelStudio(KEY, hears=always("Whole."), faults=[fault]) as server:
        (heard,) = load("asr", "dashscope", server).transcribe([SPEECH])
        assert heard.text == "Whole." and not server.faults


def test_a_service_says_how_long_to_wait_before_it_opens_a_websocket():
    fault = {"status": 429, "headers": {"Retry-After": "7"}, "body": {"code": "Throttling"}}
    with ModelStudio(KEY, faults=[fault]) as server:
        with pytest.raises(websocket.WebSocketBadStatusException) as error:
            websocket.create_connection(f"ws{server.address[4:]}/api-ws/v1/inference")
    found = model_studio.fault(error.value)
    assert (found.kind, found.wait, found.status) == ("limited", 7, 429)


def test_a_clip_that_is_refused_has_no_text_and_others_have(capsys):
    refusal = {"code": "DataInspectionFailed", "message": "inappropriate", "when": "start"}
    with ModelStudio(KEY, hears=always("Fine."), faults=[refusal] * 3) as server:
        backend = load("asr", "dashscope", server)
        (heard,) = backend.transcribe([SPEECH], "English")
        assert heard == Transcription("", "English")
        (heard,) = backend.transcribe([SPEECH[:20_000]], "English")
        assert heard.text == "Fine."


def test_a_clip_that_cannot_be_had_is_no_silence(services):
    services(tries=1)
    fault = {"code": "InternalError", "message": "broken", "when": "start"}
    with ModelStudio(KEY, hears=always("Whole."), faults=[fault] * 2) as server:
        backend = load("asr", "dashscope", server)
        with pytest.raises(UserError, match="2.5 s has no text.*InternalError.*again"):
            backend.transcribe([SPEECH])
        assert backend.transcribe([SPEECH])[0].text == "Whole."

"""Systems under test that are services: speech in, speech out, over real sockets."""

from __future__ import annotations

import base64
import io
import time
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from scripts.backends import dialogue
from scripts.common.errors import UserError
from tests.backends.conftest import ASK, CANARY, USER, second
from tests.servers.openai_paper import completion, spoken
from tests.servers.scripted import Scripted, Step


@pytest.fixture
def audio_server():
    """Function (steps, answer) -> a server of chat completions with audio."""
    servers = []

    def start(*steps, answer=lambda request: spoken("gpt-audio-x", "I am Joe.")):
        servers.append(Scripted(steps, answer))
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()


def voiced(**audio) -> dict:
    found = spoken("gpt-audio-x", "I am Joe.")
    found["choices"][0]["message"]["audio"] |= audio
    return found


def test_openai_audio_keeps_the_contract(load, audio_server):
    dialogue.accept(load("openai_audio", audio_server(), "/v1"), ASK)


def test_a_request_is_the_role_and_what_the_user_says(load, audio_server):
    server = audio_server()
    model = load("openai_audio", server, "/v1", voice="ash")
    (answer,) = model.reply([ASK])
    body = server.requests[0].json
    assert server.requests[0].headers["Authorization"] == f"Bearer {CANARY}"
    assert (body["modalities"], body["audio"]) == (
        ["text", "audio"],
        {"voice": "ash", "format": "wav"},
    )
    system, user = body["messages"]
    assert system == {"role": "system", "content": "You are Joe.\n\nAnswer briefly."}
    part = user["content"][0]["input_audio"]
    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(part["data"])), dtype="float32")
    assert rate == 16_000 and np.allclose(heard, USER, atol=1e-4)
    assert (answer.text, answer.heard, answer.version) == ("I am Joe.", None, "gpt-audio-x")
    assert answer.asked == model.client.model == body["model"]
    assert len(answer.audio) == 36_000 and answer.latency > 0


def test_what_it_said_is_sent_back_by_its_id(load, audio_server):
    server = audio_server()
    model = load("openai_audio", server, "/v1")
    (first,) = model.reply([ASK])
    model.reply([second(first)])
    messages = server.requests[1].json["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[2] == {"role": "assistant", "audio": {"id": "audio_1"}}


def test_once_its_id_has_expired_it_is_sent_back_as_text(load, audio_server):
    server = audio_server(voiced(expires_at=int(time.time()) - 10))
    model = load("openai_audio", server, "/v1")
    (first,) = model.reply([ASK])
    model.reply([second(first)])
    assert server.requests[1].json["messages"][2] == {"role": "assistant", "content": "I am Joe."}


def test_an_id_that_the_service_forgot_is_replaced_by_its_text(load, audio_server):
    lost = Step(404, body={"error": {"message": "No audio with id audio_1"}})
    server = audio_server(voiced(), lost)
    model = load("openai_audio", server, "/v1")
    (first,) = model.reply([ASK])
    (again,) = model.reply([second(first)])
    assert again.audio is not None and len(server.requests) == 3
    assert server.requests[2].json["messages"][2]["content"] == "I am Joe."


def test_where_it_does_not_say_which_id_it_forgot_all_are_replaced(load, audio_server):
    lost = Step(400, body={"error": {"message": "The audio has expired.", "param": "messages"}})
    server = audio_server(voiced(), lost)
    model = load("openai_audio", server, "/v1")
    (first,) = model.reply([ASK])
    (again,) = model.reply([second(first)])
    assert again.audio is not None and len(server.requests) == 3
    server.steps.append(lost)
    with pytest.raises(UserError, match="The audio has expired"):  # it was not for an id
        model.reply([replace(ASK, role_prompt="You are Ann.")])
    assert len(server.requests) == 4


def test_ids_are_no_part_of_what_is_kept(load, audio_server):
    """A run that is resumed gets other ids from the store, and asks for nothing again."""
    server = audio_server()
    model = load("openai_audio", server, "/v1")
    (first,) = model.reply([ASK])
    (reply,) = model.reply([second(first)])
    other = replace(first, handle={"id": "audio_2", "expires_at": 0})
    (again,) = load("openai_audio", server, "/v1").reply([second(other)])
    assert len(server.requests) == 2 and np.array_equal(reply.audio, again.audio)
    assert again.latency == reply.latency


@pytest.mark.parametrize(
    "answer, words",
    [
        (voiced(data=base64.b64encode(b"not audio").decode()), "cannot be read"),
        (voiced(data="%%%"), "cannot be read"),
        (voiced(data=""), "cannot be read"),
        (completion("m", {"content": "I cannot speak."}), "without speech"),
        (completion("m", {"refusal": "I will not."}), "I will not."),
        ({**voiced(), "choices": []}, "without a message"),
        (Step(400, body={"error": {"code": "content_policy_violation"}}), "refused"),
    ],
    ids=["no file", "no base64", "empty", "text only", "refusal", "no choice", "policy"],
)
def test_a_reply_that_is_none_has_its_reason_and_leaves_the_others(
    load, audio_server, answer, words
):
    wrong = replace(ASK, role_prompt="You are nobody.")
    server = audio_server(answer=lambda r: answer if b"nobody" in r.body else voiced())
    none, fine = load("openai_audio", server, "/v1").reply([wrong, ASK])
    assert none.audio is None and words in none.reason
    assert fine.audio is not None and fine.reason is None


def test_silence_of_no_length_is_not_sent(load, audio_server):
    server = audio_server()
    (answer,) = load("openai_audio", server, "/v1").reply([replace(ASK, user=USER[:0])])
    assert answer.reason == "the user's audio is empty" and server.requests == []


def test_a_cut_reply_is_asked_for_with_more_room(load, audio_server):
    cut = voiced()
    cut["choices"][0]["finish_reason"] = "length"
    server = audio_server(cut)
    (answer,) = load("openai_audio", server, "/v1", max_tokens=100).reply([ASK])
    assert answer.audio is not None
    assert [r.json["max_completion_tokens"] for r in server.requests] == [100, 200]

"""Systems under test that are services: speech goes out, speech comes back, over real sockets."""

from __future__ import annotations

import base64
import io
import time
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from aiohttp import web

from scripts import backends
from scripts.backends import dialogue
from scripts.backends.dialogue import Request
from scripts.common.stage import UserError
from tests.servers.gemini_live import Live
from tests.servers.openai_paper import completion, spoken
from tests.servers.openai_realtime import Realtime
from tests.servers.scripted import Scripted, Step
from tests.servers.web import Served, certificate

KEY = "TEST_DIALOGUE_KEY"
CANARY = "sk-canary-41f0"
USER = (0.1 * np.sin(np.arange(24_000) / 20)).astype(np.float32)  # 1.5 s at 16 kHz
ASK = Request(
    role="joe",
    language="English",
    name="Joe",
    role_prompt="You are Joe.",
    manner="Answer briefly.",
    clip=USER,
    clip_text="Hello.",
    user=USER,
)
LIMITED = {"status": 429, "headers": {"Retry-After": "0"}}


@pytest.fixture
def load(services, monkeypatch):
    """Function (backend, server, **options) -> the backend, asking the server."""
    services(tries=2, resample=2)
    monkeypatch.setenv(KEY, CANARY)

    def loaded(backend: str, server, path: str = "", **options):
        options |= {"address": server.address + path, "key": KEY}
        return backends.load({"capability": "dialogue", "backend": backend, "options": options})

    return loaded


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


# --- chat completions with audio


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
    assert len(answer.audio) == 36_000 and answer.seconds > 0


def second(answer, user=USER) -> Request:
    return replace(ASK, user=user[::-1].copy(), history=((USER, answer),))


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
    assert again.seconds == reply.seconds


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


# --- websockets

SOCKETS = {"openai_realtime": (Realtime, "/v1"), "gemini_live": (Live, "")}


@pytest.fixture
def tls(tmp_path, monkeypatch):
    """The context of a server whose certificate the SDK trusts."""
    public, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    return context


@pytest.fixture(params=SOCKETS)
def live(request, load, tls):
    """Function (faults, **options) -> (server, backend) of each service with a websocket."""
    made, path = SOCKETS[request.param]
    own = {"ssl": tls} if made is Live else {}
    servers = []

    def start(*faults, **options):
        server = made(key=CANARY, faults=faults, **own).__enter__()
        servers.append(server)
        return server, load(request.param, server, path, **options)

    start.name = request.param
    yield start
    for server in servers:
        server.__exit__()


def test_sessions_keep_the_contract(live):
    _, model = live()
    dialogue.accept(model, ASK)


def test_a_session_hears_who_it_is_and_what_was_said_before(live):
    server, model = live()
    (first,) = model.reply([ASK])
    (reply,) = model.reply([second(first)])
    told = str(server.sessions[1])
    assert "You are Joe." in told and "I am Joe." in told
    assert first.text == reply.text == "I am Joe." and len(reply.audio) == 12_000
    assert len(server.sessions) == 2 and len(server.sessions[1]) > len(server.sessions[0])
    again = model.reply([second(first)])[0]
    assert len(server.sessions) == 2 and again.seconds == reply.seconds


def test_many_sessions_run_at_once_and_one_that_fails_leaves_the_others(live):
    refused = {"response": {"status": "incomplete", "status_details": {"reason": "content_filter"}}}
    refused |= {"why": "PROHIBITED_INPUT_CONTENT"}
    server, model = live(refused, refused)
    requests = [replace(ASK, role_prompt=f"You are number {n}.") for n in range(4)]
    model.client.limits = replace(model.client.limits, at_once=1)
    answers = model.reply(requests)
    assert [answer.audio is None for answer in answers] == [True, False, False, False]
    assert "refused" in answers[0].reason


@pytest.mark.parametrize("fault", [LIMITED, {"status": 503}, {"close": True}])
def test_what_passes_is_asked_again(live, fault):
    server, model = live(fault)
    (answer,) = model.reply([ASK])
    assert answer.audio is not None and len(server.sessions) in (1, 2)


ODD = [
    "no JSON",
    [],
    3,
    {"type": "response.output_audio.delta", "delta": "%%"},
    {"type": "response.output_audio.delta"},
    {"type": "response.done", "response": 3},
    {"type": "error", "error": "broken"},
    {"type": 5},
    {"serverContent": {"modelTurn": {"parts": [{"inlineData": {"data": "%"}}]}}},
    {"serverContent": {"modelTurn": 3}},
    {"usageMetadata": {"promptTokenCount": "many"}},
    {"serverContent": 3},
]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_no_message_of_whatever_shape_stops_a_run(live, odd):
    server, model = live({"odd": odd})
    (answer,) = model.reply([ASK])
    assert len(answer.audio) == 12_000 and len(server.sessions) in (1, 2)


def test_another_address_is_not_gone_to(live, tls):
    seen = []

    async def elsewhere(request):
        seen.append(dict(request.headers))
        return web.Response()

    ssl = tls if live.name == "gemini_live" else None
    with Served(("GET", "/{any:.*}", elsewhere), ssl=ssl) as other:
        place = f"{other.address.replace('http', 'ws')}/stolen"
        _, model = live({"status": 302, "headers": {"Location": place}})
        with pytest.raises(UserError, match="/stolen, which nobody allowed"):
            model.reply([ASK])
    assert seen == []


def test_a_reply_without_sound_has_the_reason(live):
    server, model = live({"mute": True}, {"mute": True})
    (answer,) = model.reply([ASK])
    assert answer.audio is None and "audio is empty" in answer.reason
    assert len(server.sessions) == 2


def test_a_wrong_key_stops_the_run_and_is_not_told(live, monkeypatch):
    monkeypatch.setenv(KEY, "sk-canary-wrong")
    _, model = live()
    with pytest.raises(UserError, match=KEY) as error:
        model.reply([ASK])
    assert "sk-canary" not in str(error.value)


def test_a_cut_session_is_held_again_with_more_room(live):
    usage = {"promptTokenCount": 60, "responseTokenCount": 100, "totalTokenCount": 160}
    usage["responseTokensDetails"] = [{"modality": "AUDIO", "tokenCount": 100}]
    cut = {"response": {"status": "incomplete", "status_details": {"reason": "max_output_tokens"}}}
    server, model = live(cut | {"usage": usage}, max_tokens=100)
    (answer,) = model.reply([ASK])
    assert answer.audio is not None and len(server.sessions) == 2
    assert "200" in str(server.sessions[1][0])


def test_what_a_session_used_is_in_the_ledger(live):
    _, model = live()
    model.reply([ASK])
    ((used,),) = model.client.store.db.execute("SELECT used FROM attempts").fetchall()
    assert '"input token": 20' in used and '"input audio token": 40' in used


@pytest.mark.parametrize(
    "error, kind",
    [
        ({"type": "invalid_request_error", "code": "bad", "message": "no"}, "fatal"),
        ({"type": "server_error", "code": None, "message": "broken"}, "transient"),
        ({"type": "x", "code": "rate_limit_exceeded", "message": "slow"}, "limited"),
        ({"type": "x", "code": "insufficient_quota", "message": "pay"}, "fatal"),
    ],
)
def test_errors_of_a_realtime_session_are_told_apart(load, error, kind):
    with Realtime(CANARY, [{"error": error}]) as server:
        model = load("openai_realtime", server, "/v1")
        if kind == "fatal":
            with pytest.raises(UserError, match="will not answer"):
                model.reply([ASK])
        else:
            assert model.reply([ASK])[0].audio is not None
        states = model.client.store.db.execute("SELECT state FROM attempts ORDER BY id").fetchall()
        assert states[0] == (kind,)


@pytest.mark.parametrize(
    "code, reason, kind",
    [
        (1011, "You exceeded your current quota", "limited"),
        (1007, "Request contains an invalid argument", "fatal"),
        (1008, "Violation of PROHIBITED_CONTENT", "refused"),
        (1011, "Internal error", "transient"),
    ],
)
def test_ends_of_a_live_session_are_told_apart(load, tls, code, reason, kind):
    with Live(CANARY, [{"end": (code, reason)}], tls) as server:
        model = load("gemini_live", server)
        if kind == "fatal":
            with pytest.raises(UserError, match="will not answer"):
                model.reply([ASK])
        else:
            assert model.reply([ASK])[0].audio is not None
        states = model.client.store.db.execute("SELECT state FROM attempts ORDER BY id").fetchall()
        assert states[0] == (kind,)

"""Systems under test that are services: one websocket session per turn."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp import web

from scripts.backends import dialogue
from scripts.common.errors import UserError
from scripts.services import http_limits
from tests.backends.conftest import ASK, CANARY, KEY, LIMITED, PRICES, second
from tests.servers.gemini_live import Live
from tests.servers.openai_realtime import Realtime
from tests.servers.web import Served, certificate

SOCKETS = {"openai_realtime": (Realtime, "/v1"), "gemini_live": (Live, "")}


@pytest.fixture
def tls(tmp_path, monkeypatch):
    """The TLS context of a server whose certificate the SDK trusts."""
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
    assert len(server.sessions) == 2 and again.latency == reply.latency


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
    "[" * 100_000,
    f'{{"type": {"9" * 6000}, "serverContent": {"9" * 6000}}}',
    {"type": "response.output_audio_transcript.delta", "delta": "\ud83d"},
    {"serverContent": {"outputTranscription": {"text": "\ud83d"}}},
    {"serverContent": {"inputTranscription": {"text": "\ud83d"}}},
    {"serverContent": {"inputTranscription": {"text": "x" * 10**6}}},
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: str(ascii(odd))[:60])
def test_no_message_of_whatever_shape_stops_a_run(live, odd):
    server, model = live({"odd": odd})
    (answer,) = model.reply([ASK])
    assert len(answer.audio) == 12_000 and len(server.sessions) in (1, 2)


def test_a_key_in_what_was_heard_or_said_is_taken_out(live):
    said = f"your key is {CANARY}"
    odd = {"type": "response.output_audio_transcript.delta", "delta": said}
    odd["serverContent"] = {"inputTranscription": {"text": said}}
    _, model = live({"odd": odd})
    (answer,) = model.reply([ASK])
    assert f"your key is [{KEY}]" in f"{answer.text} {answer.heard}"
    assert CANARY not in f"{answer.text} {answer.heard}"


def test_words_without_an_end_have_a_limit(live, monkeypatch):
    """What a service says it heard or says is counted, too, not its audio alone."""
    monkeypatch.setattr(http_limits, "SOUND", 500_000)
    said = "x" * 600_000
    odd = {"type": "response.output_audio_transcript.delta", "delta": said}
    odd["serverContent"] = {"inputTranscription": {"text": said}}
    server, model = live({"odd": odd})
    (answer,) = model.reply([ASK])
    assert len(answer.audio) == 12_000 and len(server.sessions) == 2


def test_a_session_that_ends_after_it_spoke_is_booked_whatever_it_says(live):
    """An account that is used up is no proof that what was spoken before was free."""
    words = "insufficient_quota: nothing is left"
    odd = {"type": "error", "error": {"code": "insufficient_quota", "message": words}}
    _, model = live({"late": (1011, words)} if live.name == "gemini_live" else {"odd": odd})
    model.client.paid, model.client.prices = True, PRICES
    with pytest.raises(UserError, match="nothing is left"):
        model.reply([ASK])
    ((usd,),) = model.client.store.db.execute("SELECT usd FROM attempts").fetchall()
    assert usd > 0


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


def first_end(model, fatal: bool) -> str:
    """How the first attempt at a reply ended; unless that was fatal, a reply follows."""
    if fatal:
        with pytest.raises(UserError, match="will not answer"):
            model.reply([ASK])
    else:
        assert model.reply([ASK])[0].audio is not None
    return model.client.store.db.execute("SELECT state FROM attempts ORDER BY id").fetchone()[0]


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
        assert first_end(model, kind == "fatal") == kind


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
        assert first_end(model, kind == "fatal") == kind

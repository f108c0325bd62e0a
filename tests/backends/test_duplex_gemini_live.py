"""Gemini's Live service in full duplex, against a server that has a script."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from scripts.backends import duplex
from scripts.backends.duplex import RATE, Call
from scripts.common.errors import UserError
from tests.backends.conftest import CANARY, LIMITED, PRICES
from tests.servers.duplex import DuplexLive, Steps, complete, content, part
from tests.servers.web import certificate

USER = (0.1 * np.sin(np.arange(4 * RATE) / 20)).astype(np.float32)  # 4 s
CALL = Call(USER, "You are Joe.", np.zeros(0, np.float32), "")
# It answers at 1.6 s, is interrupted at 2.4 s, and answers again at 3.2 s.
SCRIPT = [
    (1.6, part(1.0, 8192)),
    (1.6, content(outputTranscription={"text": "one two"})),
    (1.6, part(0.5, 16384)),
    (1.6, content(outputTranscription={"text": " three"})),
    (2.4, content(interrupted=True)),
    (2.4, complete()),
    (3.2, content(outputTranscription={"text": "four"})),
    (3.2, part(2.0, -8192)),
    (3.2, content(outputTranscription={"text": " five"})),
]


@pytest.fixture
def talk(load, tmp_path, monkeypatch):
    """Function (*scripts, script=, **options) -> (server, backend) with a clock of the script."""
    public, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    servers = []

    def start(*scripts, script=SCRIPT, wall=False, **options):
        server = DuplexLive(CANARY, script, scripts, context).__enter__()
        servers.append(server)
        model = load("gemini_live", server, capability="duplex", **options)
        if not wall:
            model.clock = partial(Steps, server)
        return server, model

    yield start
    for server in servers:
        if server.thread.is_alive():
            server.__exit__()


def attempts(model) -> list[tuple]:
    query = "SELECT state, words, raw FROM attempts ORDER BY id"
    return model.client.store.db.execute(query).fetchall()


def test_sessions_keep_the_contract(talk):
    _, model = talk()
    duplex.accept(model, CALL)


def test_the_side_is_what_a_listener_hears(talk):
    server, model = talk()
    (side,) = model.converse([CALL])
    expected = np.zeros(4 * RATE, np.float32)
    expected[round(1.6 * RATE) : round(2.4 * RATE)] = 0.25
    expected[round(3.2 * RATE) :] = -0.25
    assert np.array_equal(side.audio, expected)
    letter = 1.5 / len("one two three")
    one, two, four = side.words
    assert [one.word, two.word, four.word] == ["one", "two", "four"]
    assert (one.start, one.end) == pytest.approx((1.6, 1.6 + 3 * letter), abs=1e-3)
    assert (two.start, two.end) == pytest.approx((1.6 + 4 * letter, 2.4), abs=1e-3)
    assert (four.start, four.end) == pytest.approx((3.2, 4.0), abs=1e-3)
    ((value,),) = model.client.store.db.execute("SELECT value FROM answers").fetchall()
    counts = {name: json.loads(value)[name] for name in ("heard", "dropped", "beyond")}
    assert counts == pytest.approx({"heard": 1.6, "dropped": 0.7, "beyond": 1.2})


def test_the_session_is_asked_for_with_the_role_and_the_service_detects_turns(talk):
    server, model = talk(voice="Puck")
    model.converse([CALL])
    told = str(server.sessions[0].events[0])
    assert "You are Joe." in told and "Puck" in told and "'disabled': True" not in told
    assert "START_OF_ACTIVITY_INTERRUPTS" in told
    assert server.sessions[0].heard == pytest.approx(4.0)


def test_a_conversation_is_replayed_without_the_server(talk):
    server, model = talk()
    (first,) = model.converse([CALL])
    server.__exit__()
    (again,) = model.converse([CALL])
    assert np.array_equal(first.audio, again.audio) and first.words == again.words
    assert len(server.sessions) == 1


def test_what_is_said_late_belongs_to_the_reply_that_was_interrupted(talk):
    late = content(outputTranscription={"text": " and so on"})
    _, model = talk(script=[*SCRIPT[:5], (2.48, late), SCRIPT[7]])
    (side,) = model.converse([CALL])
    assert [word.word for word in side.words] == ["one", "two", "three"]
    assert side.words[-1].end == pytest.approx(2.4)


def test_a_turn_that_is_complete_is_followed_by_another(talk):
    script = [(t, step) for t in (0.8, 2.4) for step in (part(0.5, 100), complete())]
    _, model = talk(script=script)
    (side,) = model.converse([CALL])
    assert np.count_nonzero(side.audio) == RATE and side.words is None
    ((used,),) = model.client.store.db.execute("SELECT used FROM attempts").fetchall()
    assert json.loads(used)["input audio token"] == 2 * 40


@pytest.mark.parametrize(
    "fault, why",
    [
        (LIMITED, "429"),
        ({"status": 503}, "503"),
        ([(0.8, part(1.0, 1)), (1.2, 1011)], "1011"),
        ([(0.8, "no JSON")], "shape"),
        ([(0.8, content(modelTurn=3))], "shape"),
    ],
)
def test_what_passes_is_tried_again_and_every_attempt_is_kept(talk, fault, why):
    server, model = talk(fault)
    (side,) = model.converse([CALL])
    assert np.count_nonzero(side.audio) == round(1.6 * RATE)
    bad, good = attempts(model)
    assert bad[0] != "answered" and why in bad[1] and good[0] == "answered"
    record = json.loads(bad[2])
    if record["audio"]:
        sound = model.client.store.audio.get(record["audio"])
        assert model.replayed(record["events"], sound, 4.0).counts()["heard"] == 1.0


@pytest.mark.parametrize(
    "bad, why",
    [
        ([(0.8, part(1.0, 1, kind="audio/opus"))], "audio/opus"),
        ([(0.8, part(0.1, 1)), (0.9, part(0.1, 1, kind="audio/pcm;rate=16000"))], "24000 to 16000"),
        ([(0.8, complete(turnCompleteReason="PROHIBITED_INPUT_CONTENT"))], "PROHIBITED"),
        ([(0.8, part(0.1, 1)), (0.9, 1011)], "1011"),
    ],
)
def test_a_conversation_that_fails_has_a_reason_and_the_others_go_on(talk, bad, why):
    _, model = talk(bad, bad, bad)
    model.client.limits = replace(model.client.limits, at_once=1)
    sides = model.converse([replace(CALL, role_prompt=name) for name in ("one", "two")])
    assert [side.audio is None for side in sides] == [True, False]
    assert why in sides[0].reason


def test_audio_of_another_rate_is_resampled(talk):
    _, model = talk(script=[(0.8, part(1.0, 8192, 16_000, "audio/pcm;rate=16000"))])
    (side,) = model.converse([CALL])
    loud = np.flatnonzero(abs(side.audio) > 0.1)
    assert len(side.audio) == len(USER)
    assert (loud[0], loud[-1]) == pytest.approx((0.8 * RATE, 1.8 * RATE), abs=30)


def test_a_users_side_that_cannot_be_sent_is_not_paid_for(talk):
    server, model = talk()
    broken = np.full_like(USER, np.nan)
    nan, empty = model.converse([replace(CALL, user=broken), replace(CALL, user=USER[:0])])
    assert "96000 samples" in nan.reason and empty.reason == "the user's side is empty"
    assert server.sessions == []


@pytest.mark.parametrize(
    "script", [[(0.4, part(0.1, 1)), (0.8, None)], [(0.8, None)], [(-1, None)]]
)
def test_a_server_that_stalls_is_given_up(talk, script):
    _, model = talk(script=script, wall=True, pace=2.0, stall=0.5)
    model.client.rules = replace(model.client.rules, tries=0)
    (side,) = model.converse([CALL])
    assert side.audio is None
    assert any(word in side.reason for word in ("stalled", "in time", "1006")), side.reason


def test_a_role_may_have_no_text(talk):
    _, model = talk()
    assert model.converse([replace(CALL, role_prompt="")])[0].audio is not None


def test_nothing_is_sent_beyond_the_budget(talk, services):
    services(tries=2, resample=2, max_usd={"all": 0.5})
    server, model = talk()
    model.client.paid, model.client.prices = True, PRICES
    with pytest.raises(UserError, match="max_usd is reached"):
        model.converse([CALL])
    assert server.sessions == []

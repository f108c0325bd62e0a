"""What goes wrong in live conversations over OpenAI's Realtime protocol, and what that costs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from scripts.backends.duplex import RATE
from scripts.common.errors import UserError
from scripts.services import http_limits
from tests.backends.conftest import CANARY, KEY, LIMITED, PRICES
from tests.backends.duplex_script import CALL, SCRIPT, USER, attempts
from tests.servers.duplex import delta, done, words


@pytest.mark.parametrize(
    "fault, why",
    [
        (LIMITED, "429"),
        ({"status": 503}, "503"),
        ([(0.8, delta("r0", 1.0, 1)), (1.2, 1011)], "1011"),
        ([(0.8, 1000)], "1000"),
        ([(0.8, "no JSON")], "no JSON"),
        ([(0.8, {**delta("r0", 1.0, 1), "delta": "%%"})], "cannot be read"),
        ([(0.8, {"type": "error", "error": {"type": "server_error", "message": "x"}})], "server_"),
        ([(0.8, {"type": "error", "error": "flat", "code": "busy"})], "flat"),
        ([(0.8, done("r0", "failed", status_details={"error": {"message": "bad"}}))], "bad"),
        ([(0.8, done("r0", "failed"))], "failed"),
    ],
)
def test_what_passes_is_tried_again_and_every_attempt_is_kept(realtime, fault, why):
    server, model = realtime(fault)
    (side,) = model.converse([CALL])
    assert np.count_nonzero(side.audio) == round(1.6 * RATE)
    (bad, good) = attempts(model)
    assert bad[0] != "answered" and why in bad[1] and good[0] == "answered"
    record = json.loads(bad[2])
    assert isinstance(fault, dict) == (record["events"] == [])
    if record["audio"]:  # the failed attempt can be replayed, too
        sound = model.client.store.audio.get(record["audio"])
        line = model.replayed(record["events"], sound, 4.0)
        assert line.counts() == {"heard": 1.0, "dropped": 0.0, "beyond": 0.0}


@pytest.mark.parametrize(
    "odd",
    [
        "[]",
        "3",
        {"type": 5},
        {"type": "response.created"},
        {"type": "response.done", "response": 3},
        {"type": "response.output_audio.delta"},
        {"type": "response.output_audio_transcript.delta", "delta": "\ud83d", "response_id": "r1"},
        {"type": "session.updated", "session": 3},
        {"type": "new.kind", "delta": "x" * 1000},
    ],
    ids=lambda odd: str(ascii(odd))[:50],
)
def test_no_message_of_whatever_shape_ends_a_conversation(realtime, odd):
    server, model = realtime(script=sorted([(2.0, odd), *SCRIPT], key=lambda step: step[0]))
    (side,) = model.converse([CALL])
    assert np.count_nonzero(side.audio) == round(1.6 * RATE) and len(server.sessions) == 1


@pytest.mark.parametrize(
    "bad, why",
    [
        ([(0.8, {**delta("r0", 1.0, 1), "format": "g711_ulaw"})], "g711_ulaw"),
        (
            [(0.8, delta("r0", 0.1, 1)), (0.8, delta("r0", 0.1, 1, sample_rate_hz=16_000))],
            "from 24000 to 16000 Hz",
        ),
        ([(0.8, done("r0", "incomplete", status_details={"reason": "content_filter"}))], "filter"),
        ([(0.8, 1011)], "1011"),
    ],
)
def test_a_conversation_that_fails_has_a_reason_and_the_others_go_on(realtime, bad, why):
    server, model = realtime(bad, bad, bad)
    model.client.limits = replace(model.client.limits, at_once=1)
    calls = [replace(CALL, role_prompt=name) for name in ("one", "two", "three")]
    sides = model.converse(calls)
    assert [side.audio is None for side in sides] == [True, False, False]
    assert why in sides[0].reason and sides[0].asked == model.client.model


def test_a_users_side_that_cannot_be_sent_is_not_paid_for(realtime):
    server, model = realtime()
    broken = USER.copy()
    broken[2400:2402] = np.nan
    calls = [replace(CALL, user=broken), replace(CALL, user=USER[:0]), CALL]
    nan, empty, good = model.converse(calls)
    assert nan.reason == "2 samples of the user's side are not numbers, the first at 0.100 s"
    assert empty.reason == "the user's side is empty" and good.audio is not None
    model.client.rules = replace(model.client.rules, timeout=5)
    (long,) = model.converse([replace(CALL, role_prompt="other")])
    assert "services.timeout lets a call take 5 s" in long.reason and len(server.sessions) == 1


@pytest.mark.parametrize(
    "script",
    [
        [(-1, None)],  # no session
        [(0.4, delta("r1", 0.1, 1)), (0.8, None)],  # stops in a reply
        [(0.8, None)],  # answers no ping
    ],
)
def test_a_server_that_stalls_is_given_up(realtime, script):
    server, model = realtime(script=script, wall=True, pace=2.0, stall=0.3)
    model.client.rules = replace(model.client.rules, tries=0)
    (side,) = model.converse([CALL])
    assert side.audio is None
    assert any(word in side.reason for word in ("stalled", "in time", "ping")), side.reason


def test_a_pause_is_no_stall(realtime):
    """Nothing comes while the user talks, or while a whole reply plays."""
    script = [(0.08, delta("r1", 3.0, 1)), (3.6, done("r1"))]
    _, model = realtime(script=script, wall=True, pace=2.0, stall=1.0)
    (side,) = model.converse([CALL])
    assert side.reason is None and np.count_nonzero(side.audio) == 3 * RATE


def test_a_key_in_what_is_said_is_taken_out(realtime):
    script = [(0.8, delta("r1", 1.0, 1)), *((0.8, words("r1", part)) for part in CANARY)]
    _, model = realtime(script=[*script, (0.88, words("r1", f" is {CANARY}"))])
    (side,) = model.converse([CALL])
    assert [word.word for word in side.words] == [f"[{KEY}]", "is", f"[{KEY}]"]


def test_a_late_truncation_is_no_fault(realtime):
    error = {"type": "invalid_request_error", "event_id": "truncate", "message": "too late"}
    script = sorted([*SCRIPT, (2.48, {"type": "error", "error": error})], key=lambda step: step[0])
    server, model = realtime(script=script)
    (side,) = model.converse([CALL])
    assert side.audio is not None and len(server.sessions) == 1


def test_a_cut_reply_is_asked_for_again_with_more(realtime):
    cut = [(0.8, done("r0", "incomplete", status_details={"reason": "max_output_tokens"}))]
    server, model = realtime(cut, max_tokens=100)
    (side,) = model.converse([CALL])
    assert side.audio is not None
    asked = [held.events[0]["session"]["max_output_tokens"] for held in server.sessions]
    assert asked == [100, 200]


def test_a_wrong_key_stops_the_run(realtime, monkeypatch):
    monkeypatch.setenv(KEY, "sk-canary-wrong")
    _, model = realtime()
    with pytest.raises(UserError, match=KEY) as error:
        model.converse([CALL])
    assert "sk-canary" not in str(error.value)


def test_what_replies_used_is_in_the_ledger(realtime):
    """The last reply has no account: it counts as reserved."""
    _, model = realtime()
    model.client.paid, model.client.prices = True, PRICES
    model.converse([CALL])
    ((used, usd),) = model.client.store.db.execute("SELECT used, usd FROM attempts").fetchall()
    most = model.asked(CALL).most
    assert json.loads(used)["input audio token"] == 40 + most["input audio token"] / 2
    assert usd == pytest.approx(0.01 * sum(json.loads(used).values()))


def test_a_failed_conversation_costs_what_its_replies_may_have(realtime):
    """A handshake that was refused costs nothing; of two possible replies one had begun."""
    _, model = realtime({"status": 503}, [(0.8, delta("r0", 0.1, 1)), (1.2, 1011)])
    model.client.paid, model.client.prices = True, PRICES
    assert model.converse([CALL])[0].audio is not None
    refused, closed, _ = (usd for *_, usd in attempts(model))
    assert refused == 0
    assert closed == pytest.approx(0.01 * sum(model.asked(CALL).most.values()) / 2)


def test_words_without_an_end_have_a_limit(realtime, monkeypatch):
    monkeypatch.setattr(http_limits, "SOUND", 500_000)
    server, model = realtime([(0.8, words("r0", "x" * 600_000))])
    assert model.converse([CALL])[0].audio is not None and len(server.sessions) == 2


def test_nothing_is_sent_beyond_the_budget(realtime, services):
    services(tries=2, resample=2, max_usd={"all": 0.5})
    server, model = realtime()
    model.client.paid, model.client.prices = True, PRICES
    with pytest.raises(UserError, match="max_usd is reached"):
        model.converse([CALL])
    assert server.sessions == []


def test_a_pace_must_be_above_zero(realtime):
    with pytest.raises(UserError, match="must be above 0"):
        realtime(pace=0)

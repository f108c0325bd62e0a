"""How long calls wait, whatever a service or a clock says, and that waits are explained."""

from __future__ import annotations

import time

import pytest

from scripts.common.errors import UserError
from scripts.services import client as client_
from scripts.services import processes
from scripts.services.response_store import Store
from scripts.services.settings import Limits
from scripts.services.waits import WaitReporter, backoff
from tests.servers.scripted import Step
from tests.services.conftest import FREE, GOOD


@pytest.fixture
def store_at(tmp_path):
    """(store, [the machine's clock])"""
    clock = [1e6]
    return Store(tmp_path / "calls.sqlite", ticks=lambda: clock[0]), clock


def test_a_service_that_only_says_too_often_stops_the_run_and_leaves_no_hole(served, services):
    services(tries=0, deadline=0.5)
    server, _, ask = served(answer=lambda r: Step(429, {"Retry-After": "0.2"}, {}))
    with pytest.raises(UserError, match="answered nothing for .* is asked too often: HTTP 429"):
        ask(1)
    assert 1 < len(server.requests) < 5


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_a_run_may_not_have_stops_it_with_the_time_to_come_back(
    served, services, status
):
    services(deadline=5)
    server, client, ask = served([Step(status, {"Retry-After": "86400"})])
    words = r"wants to be asked again at 20\d\d-.* \(in 24 h\)"
    with pytest.raises(UserError, match=words) as error:
        ask(8)
    assert "services.deadline" in str(error.value) and "is kept" in str(error.value)
    asked = len(server.requests)
    if status == 429:  # the lane is closed for the next run, too
        with pytest.raises(UserError, match="wants to be asked again at"):
            ask(8)
        assert len(server.requests) == asked


def test_a_wait_that_a_run_may_have_is_waited_for_however_many_calls_it_hits(served, services):
    one = {"default": {"at_once": 1, "rpm": None, "tpm": None}}
    services(deadline=1.5, tries=0, limits=one)
    limited = Step(429, {"Retry-After": "0.6"})
    _, _, ask = served([limited] * 2 + [GOOD] + [limited] * 2)
    assert [result.value for result in ask(2)] == ["hi"] * 2


def test_a_limit_of_the_config_stops_nothing_however_short_the_deadline(served, services):
    services(deadline=0.1, limits={"default": {"at_once": 9, "rpm": 1, "tpm": None}})
    server, client, ask = served()
    monkey, asked = client_._Work.look_again, []

    async def look_again(self, turn, begun):
        asked.append(turn.why)
        client.store.ticks = lambda: processes.ticks() + 61 * len(asked)

    client_._Work.look_again = look_again
    try:
        assert [result.value for result in ask(2)] == ["hi"] * 2
    finally:
        client_._Work.look_again = monkey
    assert asked == ["this minute's limit is reached"]


@pytest.mark.parametrize("asked", [0.0, 1e-9, None])
def test_no_header_makes_us_ask_sooner_than_we_would(asked):
    waits = [backoff(asked, times, 1.0, 60.0) for times in (1, 2, 3, 10) for _ in range(50)]
    assert all(0.5 <= wait <= 1 for wait in waits[:50])
    assert len(set(waits[:50])) > 40  # spread: calls do not come back together
    assert all(2 <= wait <= 4 for wait in waits[100:150]) and max(waits) <= 60
    assert backoff(asked, 10**6, 1.0, 60.0) <= 60  # however often


@pytest.mark.parametrize("header", ["0", "-5", "soon", "Mon, 01 Jan 1990 00:00:00 GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_of_nothing_closes_the_lane_for_our_own(served, monkeypatch, status, header):
    monkeypatch.setattr(client_, "FIRST_WAIT", 0.4)
    waited = []
    real = client_._Work.pause

    async def pause(self, seconds, why):
        waited.append(seconds)
        await real(self, 0.0, why)

    monkeypatch.setattr(client_._Work, "pause", pause)
    server, client, ask = served([Step(status, {"Retry-After": header})] * 3)
    assert ask(1)[0].value == "hi" and len(server.requests) == 4
    assert len(waited) == 3 and all(wait >= 0.2 * 2**n for n, wait in enumerate(waited))


def test_only_what_a_service_asks_for_stops_a_run_for_it(served, services):
    """Our own back-off may be longer than a run waits; the service did not say so."""
    services(tries=0, deadline=0.4)
    _, _, ask = served([Step(503, {"Retry-After": "0"})])
    assert "HTTP 503" in ask(1)[0].reason
    _, _, ask = served([Step(503, {"Retry-After": "7"})])
    with pytest.raises(UserError, match="wants to be asked again at"):
        ask(1)


def test_whoever_waits_long_says_why_and_for_how_long(monkeypatch, screen):
    clock = [100.0]
    waits = WaitReporter("judge", clock=lambda: clock[0])
    waits.report(100.0, "it asked for it", 20.0)
    assert screen.getvalue() == ""  # that is soon over
    waits.report(100.0, "process 7 has the call")
    clock[0] += 31
    for _ in range(32):  # as many calls wait
        waits.report(100.0, "process 7 has the call")
    waits.report(131.0, "it asked for it", 600.0)
    first, second = screen.getvalue().splitlines()
    assert first == "judge: waiting for 31 s: process 7 has the call"
    assert second == "judge: waiting for 0 s, 10 min to go: it asked for it"
    clock[0] += 31
    waits.report(100.0, "process 7 has the call")
    assert len(screen.getvalue().splitlines()) == 3


def test_a_call_that_waits_says_so(served, services, monkeypatch, screen):
    monkeypatch.setattr("scripts.services.waits.SAID", 0.2)
    _, client, ask = served([Step(429, {"Retry-After": "0.5"}, {"error": "slow"})])
    assert ask(1)[0].value == "hi"
    assert "test: waiting for 0 s, 1 s to go: HTTP 429" in screen.getvalue()


@pytest.mark.parametrize("set_by", [-86_400.0, 86_400.0])
def test_a_clock_that_is_set_neither_hangs_nor_hammers(store_at, monkeypatch, set_by):
    """The lane stays closed for as long as the service said, whatever the time of day says."""
    store, clock = store_at
    turn = store.begin("k", "one", "judge", FREE, {}, 0, 0)
    store.failed(turn.attempt, "limited", "HTTP 429", wait=30.0)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + set_by)
    for other in (store, Store(store.path, ticks=store.ticks)):
        assert 29 < other.begin("k", "one", "judge", FREE, {}, 0, 0).wait <= 30
    clock[0] += 30.1
    rpm = Limits(at_once=9, rpm=1, tpm=None)
    assert store.begin("k", "two", "judge", rpm, {}, 0, 0).attempt is not None
    assert 59 < store.begin("l", "two", "judge", rpm, {}, 0, 0).wait <= 60


def test_times_of_a_clock_that_began_anew_hang_nothing(store_at):
    """Where a system does not say that it was started anew."""
    store, clock = store_at
    rpm = Limits(at_once=9, rpm=1, tpm=None)
    turn = store.begin("k", "one", "judge", rpm, {}, 0, 0)
    store.failed(turn.attempt, "limited", "HTTP 429", wait=30.0)
    clock[0] = 1.0
    assert store.begin("k", "one", "judge", rpm, {}, 0, 0).attempt is not None

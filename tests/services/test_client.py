"""Calls to a service: the response to every fault, tested on a server that produces it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from scripts.common.errors import UserError
from scripts.services import client as client_
from scripts.services.client import Call, CallError, Client, Response
from tests.servers.scripted import Scripted, Step
from tests.services.conftest import CANARY, GOOD, KEY, answered, states

ROOT = Path(__file__).resolve().parents[2]


def lane(client: Client) -> int:
    return client.store.db.execute("SELECT at_once FROM lanes").fetchone()[0]


def test_each_call_is_answered_in_order_and_never_bought_twice(served):
    server, client, ask = served(answer=lambda r: {**GOOD, "text": r.json["number"]})
    assert [result.value for result in ask(5)] == [0, 1, 2, 3, 4]
    assert [result.value for result in ask(7)] == [0, 1, 2, 3, 4, 5, 6]
    assert len(server.requests) == 7
    first = ask(1)[0]
    assert (first.version, first.reason) == ("m-1", None) and first.seconds > 0
    again = Client("llm/test", "m", server.address, KEY)
    assert again.store.find([], None) == {} and states(again) == {"answered": 7}


def test_equal_calls_are_sent_once(served):
    server, client, _ = served()

    async def send(cut: int) -> Response:
        return Response((await client.post("/", b"{}", {}))["text"], {})

    results = client.ask([Call({"same": 1}, send)] * 5, "test")
    assert [result.value for result in results] == ["hi"] * 5 and len(server.requests) == 1


def test_no_more_are_under_way_than_the_config_says(served, services):
    services(limits={"default": {"at_once": 3, "rpm": None, "tpm": None}})
    server, _, ask = served(answer=lambda r: Step(body=GOOD, hold=0.05))
    ask(12)
    assert server.most == 3


def date_in(seconds: float) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))


@pytest.mark.parametrize(
    "header, least",
    [("0.6", 0.6), (lambda: date_in(2), 0.9), ("-5", 0.0), ("as you like", 0.0), (None, 0.0)],
)
def test_429_waits_as_it_is_told_and_asks_fewer_at_once(served, header, least):
    value = header() if callable(header) else header
    limited = Step(429, {} if value is None else {"Retry-After": value}, {"error": "slow"})
    server, client, ask = served([limited])
    begun = time.monotonic()
    assert ask(1)[0].value == "hi"
    assert time.monotonic() - begun >= least  # a wait is a promise, not a speed
    assert len(server.requests) == 2 and states(client) == {"answered": 1, "limited": 1}
    assert lane(client) == 25  # 0.8 of 32


def test_many_429_of_one_moment_are_one_episode(served):
    limited = Step(429, {"Retry-After": "0"}, {"error": "slow"}, hold=0.3)
    _, client, ask = served([limited] * 10)
    assert all(result.value == "hi" for result in ask(10))
    assert states(client)["limited"] == 10 and lane(client) == 25


def test_waits_are_spread(served, monkeypatch):
    _, client, ask = served()
    work = client_._Work(client, {}, "test")
    waits = {work.wait(CallError("limited", "", wait=10.0), 1) for _ in range(20)}
    assert len(waits) > 10 and 10 <= min(waits) and max(waits) <= 11
    monkeypatch.setattr(client_, "FIRST_WAIT", 1.0)
    backs = [[work.wait(CallError("transient", ""), n) for _ in range(50)] for n in (1, 4, 20)]
    assert all(0.5 <= wait <= 1 for wait in backs[0]) and all(4 <= wait <= 8 for wait in backs[1])
    assert max(backs[2]) <= client_.LONGEST_WAIT


@pytest.mark.parametrize(
    "step, words",
    [
        (Step(429, {}, {"error": {"code": "insufficient_quota"}}), "has nothing left"),
        (Step(401, {}, {"error": f"wrong key {CANARY}"}), "Check the key in the environment"),
        (Step(403, {}, {"error": "no"}), "Check the key in the environment"),
        (Step(400, {}, {"error": "what"}), "Check the model's options"),
        (Step(404, {}, {"error": "no such model"}), "Check the model's options"),
    ],
)
def test_what_no_call_can_mend_stops_the_run_and_names_the_variable(served, step, words):
    server, client, ask = served(answer=lambda r: step)
    with pytest.raises(UserError, match=words) as error:
        ask(100)
    assert len(server.requests) <= 32  # those under way; none was asked again
    assert KEY in str(error.value) and CANARY not in str(error.value)
    assert "What" not in str(error.value) and "what was answered is kept" in str(error.value)
    assert CANARY not in json.dumps(client.store.db.execute("SELECT * FROM attempts").fetchall())


def test_what_was_answered_before_the_stop_is_kept(served, services):
    services(limits={"default": {"at_once": 1, "rpm": None, "tpm": None}})
    server, client, ask = served([GOOD, GOOD, Step(401)])
    with pytest.raises(UserError):
        ask(5)
    assert [result.value for result in ask(5)] == ["hi"] * 5 and len(server.requests) == 6


@pytest.mark.parametrize(
    "step",
    [
        Step(500),
        Step(503, {"Retry-After": "0"}),
        Step(end="reset"),
        Step(body=GOOD, end="cut"),
        Step(body=GOOD, end="chunk"),
        Step(body=b"<html>"),
        Step(body={"error": {"message": "overloaded"}}),
        Step(body=[1]),
    ],
    ids=["500", "503", "reset", "cut", "chunk", "no JSON", "200 with an error", "no object"],
)
def test_what_passes_is_asked_again_and_the_lane_stays_as_wide(served, step):
    server, client, ask = served([step] * 3)
    assert ask(1)[0].value == "hi"
    assert len(server.requests) == 4 and states(client) == {"answered": 1, "transient": 3}
    assert lane(client) == 32


def test_no_answer_in_time_is_asked_again(served, services):
    services(timeout=0.2)
    server, client, ask = served([Step(body=GOOD, hold=2)])
    assert ask(1)[0].value == "hi" and states(client) == {"answered": 1, "transient": 1}


def test_a_service_that_keeps_failing_is_given_up_with_the_reason(served, services):
    services(tries=2)
    server, client, ask = served(answer=lambda r: Step(500, {}, {"error": "broken"}))
    (result,) = ask(1)
    assert result.value is None and len(server.requests) == 3
    assert result.reason.startswith("the service failed (asked 3 times): HTTP 500")
    assert "broken" in result.reason


def test_the_deadline_ends_a_call_whatever_is_left_of_its_tries(served, services):
    services(tries=1000, deadline=0.5)
    server, _, ask = served([Step(500, hold=0.2)] * 8)
    (result,) = ask(1)
    assert result.value is None and "0.5 s are over" in result.reason
    assert 1 < len(server.requests) < 5


def test_a_service_that_is_down_stops_the_run(served, services):
    services(tries=0)
    server, _, ask = served(answer=lambda r: Step(503))
    with pytest.raises(UserError, match="seems to be down.*kept"):
        ask(500)
    assert client_.DOWN <= len(server.requests) < 100


def cut_below(limit: int):
    def read(found: dict) -> None:
        if found["limit"] < limit:
            raise CallError(
                "cut", "finish_reason length", raw="half an ans", used={"output token": 8}
            )

    return read


def test_a_cut_answer_is_asked_for_with_more_room_and_never_kept(served):
    echo = lambda r: {**GOOD, "limit": r.json["limit"]}  # noqa: E731
    server, client, ask = served(answer=echo, read=cut_below(32))
    assert ask(1)[0].value == "hi"
    assert [request.json["limit"] for request in server.requests] == [8, 16, 32]
    server, client, ask = served(answer=echo, read=cut_below(1000), model="other")
    (result,) = ask(1)
    assert result.value is None and "limit of tokens" in result.reason
    assert result.raw == "half an ans"
    assert [request.json["limit"] for request in server.requests] == [8, 16, 32]
    assert answered(client.store) == 1  # of the first server


@pytest.mark.parametrize("kind", ["refused", "unusable"])
def test_a_useless_answer_is_asked_for_again_a_few_times_and_never_kept(served, services, kind):
    services(resample=3)

    def read(found: dict) -> None:
        if found["text"] != "well":
            raise CallError(kind, "no score in it", raw=found["text"])

    bad = {**GOOD, "text": "8/10"}
    server, client, ask = served([bad, bad], lambda r: {**GOOD, "text": "well"}, read=read)
    assert ask(1)[0].value == "well" and states(client) == {"answered": 1, kind: 2}
    bodies = {request.body for request in server.requests}
    assert len(bodies) == 1  # the same prompt: the fault is not told
    server, client, ask = served([bad] * 20, read=read, model="other")
    (result,) = ask(1)
    assert result.value is None and result.raw == "8/10" and len(server.requests) == 3
    assert "(asked 3 times)" in result.reason
    assert ask(1)[0].value is None and len(server.requests) == 6  # not kept: asked anew


def test_one_call_that_fails_leaves_the_others(served, services):
    services(tries=1)
    odd = lambda r: Step(500) if r.json["number"] == 3 else GOOD  # noqa: E731
    _, _, ask = served(answer=odd)
    assert [result.value for result in ask(6)] == ["hi", "hi", "hi", None, "hi", "hi"]


def test_a_redirect_is_not_followed(served):
    other = Scripted(answer=lambda r: GOOD)
    with other:
        moved = Step(307, {"Location": f"{other.address}/v1"})
        server, _, ask = served(answer=lambda r: moved)
        with pytest.raises(UserError, match="it sends us on to"):
            ask(1)
        assert other.requests == [] and len(server.requests) == 1


def test_a_mistake_of_ours_is_shown_and_not_asked_again(served):
    def read(found: dict) -> None:
        raise KeyError("nonsense")

    server, client, ask = served(read=read)
    with pytest.raises(KeyError):
        ask(1)
    assert len(server.requests) == 1 and states(client) == {"mistake": 1}


def test_a_version_that_changes_is_told_and_both_are_kept(served, monkeypatch, screen):
    server, client, ask = served([GOOD], lambda r: {**GOOD, "model": "m-2"})
    assert ask(1)[0].version == "m-1" and "Warning" not in screen.getvalue()
    results = ask(3)
    assert [result.version for result in results] == ["m-1", "m-2", "m-2"]
    said = screen.getvalue()
    assert said.count("Warning: ") == 1 and "'m-1'" in said and "'m-2'" in said


def test_a_pinned_model_may_answer_with_a_date_and_no_other_counts(served):
    server, _, _ = served()
    said = iter(["m-2025-04-14", "m-next"])
    pinned = Client("llm/test", "m", server.address, KEY, version="m")

    async def send(cut: int) -> Response:
        return Response((await pinned.post("/v1", b"{}", {}))["text"], {}, next(said))

    first = [Call({"number": 1}, send)]
    assert pinned.ask(first, "test")[0].version == "m-2025-04-14"
    assert pinned.ask(first, "test")[0].version == "m-2025-04-14"  # kept
    with pytest.raises(UserError, match="'m-next', the config asks for the version 'm'"):
        pinned.ask([Call({"number": 2}, send)], "test")
    assert len(server.requests) == 2


def test_a_pinned_version_is_all_that_counts(served):
    server, client, ask = served([GOOD])
    ask(1)
    pinned = Client("llm/test", "m", server.address, KEY, version="m-2")

    async def send(cut: int) -> Response:
        return Response((await pinned.post("/v1", b"{}", {}))["text"], {}, "m-1")

    assert pinned.store.find([], "m-2") == {}
    with pytest.raises(UserError, match="it says that it is 'm-1', the config asks for .* 'm-2'"):
        pinned.ask([Call({"number": 0}, send)], "test")
    assert len(server.requests) == 2  # the kept answer of m-1 did not count

"""One buyer per call: who has a call in flight, and when another process may send it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from scripts.common.errors import UserError
from scripts.services import processes
from scripts.services.processes import LEASE, Owner, lives
from scripts.services.response_store import Store
from tests.servers.scripted import Scripted, Step
from tests.services.buyer import BUYER
from tests.services.conftest import FREE, GOOD, states

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clock():
    return [1000.0]


@pytest.fixture
def store(tmp_path, clock):
    return Store(tmp_path / "calls.sqlite", ticks=lambda: clock[0])


def another(store: Store) -> Store:
    return Store(store.path, ticks=store.ticks)


def begin(store: Store, key="k", version=None, **more):
    return store.begin(key, "one", "judge", FREE, {}, 0.0, 0.0, version, **more)


def answer(store: Store, attempt: int, version="v1") -> None:
    store.answered(attempt, version, "hi", None, 1.0, {}, 0.0, 10)


def is_now(store: Store, **columns) -> None:
    """Calls in flight belong to a different process from now on."""
    for name, value in columns.items():
        store.db.execute(f"UPDATE owners SET {name} = ?", (value,))


def test_a_call_that_is_under_way_is_waited_for_and_its_answer_taken(store):
    attempt = begin(store).attempt
    other = another(store)
    turn = begin(other)
    assert turn.attempt is None and turn.elsewhere and turn.wait > 0
    assert f"process {os.getpid()} on " in turn.why
    assert begin(other, "another call").attempt is not None
    answer(store, attempt)
    turn = begin(other)
    assert (turn.attempt, turn.wait, turn.kept.value) == (None, 0.0, "hi")


def test_a_call_that_came_to_nothing_is_free(store):
    store.failed(begin(store).attempt, "transient", "HTTP 500")
    assert begin(another(store)).attempt is not None


def test_only_an_answer_of_the_version_asked_for_spares_the_call(store):
    answer(store, begin(store).attempt, "v1")
    assert begin(store, version="v2").attempt is not None
    assert begin(store, "other").kept is None and begin(store, version="v1").kept is not None


def test_a_dead_process_loses_what_it_had_under_way(store):
    begin(store)
    is_now(store, pid=999_999_999, born="1")
    assert begin(another(store)).attempt is not None
    assert dict(store.db.execute("SELECT state, COUNT(*) FROM attempts GROUP BY 1"))["lost"] == 1


def test_a_process_in_another_container_is_known_by_its_signs_of_life(store, clock):
    begin(store)
    is_now(store, host="3f2a", space="pid:[1]", pid=7, born="1")
    other = another(store)  # a container that was started anew has another name
    clock[0] += LEASE - 1
    assert begin(other).elsewhere
    clock[0] += 2
    assert begin(other).attempt is not None


def test_signs_of_life_keep_the_lease(store, clock):
    begin(store)
    clock[0] += LEASE
    store.beat()
    is_now(store, space="pid:[1]", pid=7, born="1")
    other = another(store)
    clock[0] += LEASE - 1
    assert begin(other).elsewhere


def test_who_was_taken_for_dead_is_known_again_once_it_asks(store, clock):
    begin(store)
    clock[0] += LEASE + 1
    store.db.execute("DELETE FROM owners")
    begin(store, "another call")
    assert begin(another(store), "another call").elsewhere


@pytest.mark.parametrize("age", [-LEASE + 5, 0, LEASE - 5])
def test_another_host_that_lives_is_refused_by_its_name(store, age):
    begin(store)
    is_now(store, host="node7", boot="another", seen=time.time() - age)
    with pytest.raises(UserError, match="in use by the host node7.*services.store"):
        another(store)
    store.db.execute("UPDATE attempts SET state = 'answered'")
    another(store)


def test_another_host_that_died_is_not_refused(store):
    begin(store)
    is_now(store, host="node7", boot="another", seen=time.time() - LEASE - 5)
    assert begin(another(store)).attempt is not None


def test_this_host_after_it_was_started_anew_is_not_refused(store, clock):
    """Its clock began anew, too: what the service asked to wait before is no longer known."""
    begin(store, "under way")
    store.failed(begin(store).attempt, "limited", "HTTP 429", wait=600.0)
    is_now(store, boot="before", seen=time.time())
    store.db.execute("UPDATE machine SET boot = 'before'")
    clock[0] = 5.0
    other = another(store)
    assert begin(other).attempt is not None
    assert begin(other, "under way").elsewhere  # until its lease is over


ONE = Owner("here", "boot", "pid:[1]", os.getpid(), processes.born(os.getpid()))


@pytest.mark.parametrize(
    "change, silent, alive",
    [
        ({}, 1e9, True),
        ({"pid": 1}, 0.0, False),  # its number is another process's now
        ({"pid": 2**40}, 0.0, False),
        ({"pid": 1, "born": processes.UNKNOWN}, 0.0, True),
        ({"pid": 1, "born": processes.UNKNOWN}, LEASE + 1, False),
        ({"space": "pid:[2]"}, 0.0, True),
        ({"space": "pid:[2]"}, LEASE + 1, False),
        ({"boot": "other"}, -LEASE - 1, False),
    ],
)
def test_who_lives(change, silent, alive):
    assert lives(dataclasses.replace(ONE, **change), ONE, silent) == alive


def test_a_process_that_died_and_that_nobody_asked_after_is_dead():
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays in the table
    assert processes.born(process.pid) == ""
    process.wait()


@pytest.fixture
def buyer(services, tmp_path):
    """Function (server) -> a process that sends it sixty calls."""
    services(limits={"default": {"at_once": 8, "rpm": None, "tpm": None}})
    program = tmp_path / "buyer.py"
    program.write_text(textwrap.dedent(BUYER.format(root=str(ROOT), count=60)))
    started = []

    def start(server: Scripted) -> subprocess.Popen:
        command = [sys.executable, str(program), server.address]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def counted() -> Scripted:
    """A server whose answers all differ."""
    server = Scripted()
    server.answer = lambda request: Step(body={"text": len(server.requests)}, hold=0.05)
    return server


def test_two_processes_side_by_side_buy_each_call_once_and_have_the_same_answers(buyer):
    with counted() as server:
        both = [buyer(server) for _ in range(2)]
        said = [process.communicate(timeout=60)[0].splitlines()[-1] for process in both]
        assert said[0] == said[1] and len(json.loads(said[0])) == 60
        bodies = [request.body for request in server.requests]
        assert len(bodies) == len(set(bodies)) == 60


def test_an_orphan_that_dies_leaves_to_the_second_run_what_it_had_under_way(buyer, tmp_path):
    with counted() as server:
        first = buyer(server)
        while len(server.requests) < 10:
            time.sleep(0.01)
        second = buyer(server)
        while len(server.requests) < 30:
            time.sleep(0.01)
        os.kill(first.pid, signal.SIGKILL)
        assert len(json.loads(second.communicate(timeout=60)[0].splitlines()[-1])) == 60
        rows = Store(tmp_path / "cache/calls.sqlite").summary()
        lost = sum(row[4] for row in rows if row[3] == "lost")
        assert 60 <= len(server.requests) <= 60 + lost <= 68


def test_a_process_leaves_signs_of_life_while_it_asks(served, monkeypatch):
    monkeypatch.setattr(processes, "BEAT", 0.05)
    server, client, ask = served(answer=lambda request: Step(body=GOOD, hold=0.5))
    before, beat, beats = client.store.ticks(), client.store.beat, []
    client.store.beat = lambda: (beats.append(1), beat())
    ask(1)
    (tick,) = client.store.db.execute("SELECT MAX(tick) FROM owners").fetchone()
    assert len(beats) > 2 and tick > before


def test_what_was_answered_while_a_call_waited_is_not_asked(served):
    """Between looking what is kept and having a place another process answered."""
    server, client, ask = served()
    find = client.store.find
    client.store.find = lambda keys, version: {}
    ask(3)
    client.store.find = lambda keys, version: find(keys, version) if len(keys) == 1 else {}
    assert [result.value for result in ask(3)] == ["hi"] * 3
    assert len(server.requests) == 3 and states(client) == {"answered": 3}

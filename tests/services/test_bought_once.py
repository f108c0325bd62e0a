"""Paid answers are kept: damaged files, folders and tables that cannot be written, a locked
store."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scripts.common.errors import UserError
from scripts.services import blobs, processes, store_writer
from scripts.services import client as client_
from scripts.services.client import Call, Response
from scripts.services.database import Locked, Shut
from scripts.services.response_store import Store
from scripts.services.waits import WaitReporter
from tests.servers.scripted import Step
from tests.services.conftest import FREE, GOOD, answer, answered, begin, states


def audio(store: Store) -> list:
    return [path for path in store.blobs.rglob("*") if path.is_file()]


# --- audio ------------------------------------------------------------------------------------


def test_damaged_audio_is_replaced_once_it_is_bought_again(store):
    answer(store, blob=b"sound")
    (file,) = audio(store)
    file.write_bytes(b"soun")
    assert store.find(["k"], None) == {}
    answer(store, blob=b"sound")
    assert store.find(["k"], None)["k"].blob == b"sound" and audio(store) == [file]


@pytest.mark.parametrize("level", ["file", "folder"])
def test_what_lies_where_audio_should_is_moved_out_of_the_way(store, level):
    """A folder in a file's place, a file in a folder's: else the answer is paid on every run."""
    answer(store, blob=b"sound")
    (file,) = audio(store)
    file.unlink()
    if level == "file":
        file.mkdir()
        (file / "mine").write_text("mine")
    else:
        file.parent.rmdir()
        file.parent.write_text("mine")
    answer(store, blob=b"sound")
    assert store.find(["k"], None)["k"].blob == b"sound"
    assert [path.read_text() for path in audio(store) if path != file] == ["mine"]


def test_audio_is_on_the_disk_before_it_has_its_name(store, monkeypatch):
    done = []
    monkeypatch.setattr(blobs.os, "fsync", lambda number: done.append("synced"))
    replace = blobs.Path.replace
    monkeypatch.setattr(
        blobs.Path, "replace", lambda *both: (done.append("named"), replace(*both))[1]
    )
    answer(store, blob=b"sound")
    assert done[:2] == ["synced", "named"]


def test_a_folder_of_audio_that_cannot_be_written_is_told_before_anything_is_asked(served):
    (store := Path("cache/calls-audio")).parent.mkdir()
    store.write_text("a file in its place")
    with pytest.raises(UserError, match="calls-audio.* cannot be written.*nothing was asked"):
        served()


def test_a_disk_that_takes_no_bytes_is_told_too(tmp_path, monkeypatch):
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(blobs.os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        Store(tmp_path / "calls.sqlite")
    assert not list((tmp_path / "calls-audio").iterdir())


def test_what_dead_processes_left_half_written_is_swept(store):
    inside = store.blobs / "ab"
    inside.mkdir()
    born = processes.born(os.getpid())
    dead = [store.blobs / ".part-999999999-1-x", inside / ".part-999999999-abc"]
    dead.append(store.blobs / f".part-{os.getpid()}-1-x")  # its number is another process's now
    own = store.blobs / f".part-{os.getpid()}-{born}-own"
    for path in (*dead, own):
        path.write_bytes(b"half")
    os.utime(own, (1, 1))  # or the time of day was set ahead since
    Store(store.path)
    assert audio(store) == [own]


def test_what_may_be_of_a_living_process_is_swept_once_it_is_old(store, monkeypatch):
    monkeypatch.setattr(processes, "born", lambda pid: processes.UNKNOWN)
    new, old = (store.blobs / f".part-{os.getpid()}-alive-{name}" for name in ("new", "old"))
    for path in (new, old):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    store.audio.sweep()
    assert audio(store) == [new]


# --- prices -----------------------------------------------------------------------------------


@pytest.mark.parametrize("read", ["answered", "refused"])
def test_a_unit_without_a_price_is_booked_as_reserved_and_then_the_run_stops(
    paid, monkeypatch, read
):
    server, client, ask = paid({"all": 10.0})

    async def send(cut: int) -> Response:
        await client.post("/v1", b"{}", {})
        if read == "refused":
            raise client_.CallError("refused", "no", used={"picture": 1})
        return Response("hi", {"picture": 1}, "m-1")

    call = Call({"n": 1}, send, {"output token": 8})
    with pytest.raises(UserError, match="lack the unit 'picture'"):
        client.ask([call], "test")
    assert client.store.spent() == pytest.approx(0.08) and states(client) == {read: 1}
    if read == "answered":
        assert client.ask([call], "test")[0].value == "hi" and len(server.requests) == 1


# --- a store that cannot be written -----------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    """Waits that suit a test."""
    monkeypatch.setattr(store_writer, "AGAIN", 0.02)
    monkeypatch.setattr(store_writer, "AT_ONCE", 10)


def lock(path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    db.execute("BEGIN IMMEDIATE")
    return db


def locking(path):
    """(a server's answer, [the locks of the store held from its first answer on])"""
    held, one = [], threading.Lock()

    def reply(request):
        with one:
            held[:] = held or [lock(path)]
        return Step(body=GOOD, hold=0.1)

    return reply, held


def test_answers_wait_in_memory_while_the_store_is_locked(served, quick, monkeypatch, screen):
    server, client, ask = served()
    server.answer, held = locking(client.store.path)
    threading.Timer(1.5, lambda: held[0].rollback()).start()
    assert [result.value for result in ask(8)] == ["hi"] * 8
    assert len(server.requests) == answered(client.store) == 8
    assert states(client) == {"answered": 8}
    said = screen.getvalue()
    assert said.count("answers are in memory alone") == 1 and "locked by another program" in said


def test_a_full_disk_is_waited_for_likewise(served, quick):
    server, client, ask = served()
    ask(1)
    write, fails = client.store.answered, iter([OSError(28, "full")] * 5)

    def answered(*arguments, **more):
        for error in fails:
            raise error
        return write(*arguments, **more)

    client.store.answered = answered
    assert [result.value for result in ask(6)] == ["hi"] * 6 and len(server.requests) == 6
    assert next(fails, None) is None


def test_what_cannot_be_written_in_time_lies_beside_the_store_until_it_is_opened_again(
    served, quick, monkeypatch
):
    monkeypatch.setattr(store_writer, "HOLD", 0.1)
    server, client, ask = served()
    server.answer, held = locking(client.store.path)
    with pytest.raises(UserError, match="calls-late and is taken from there when you run"):
        ask(8)
    assert answered(client.store) == 0 and len(server.requests) == 8
    held[0].rollback()
    again = Store(client.store.path)
    assert answered(again) == 8 and not list(again.late.folder.iterdir())
    assert [result.value for result in ask(8)] == ["hi"] * 8 and len(server.requests) == 8
    assert states(client) == {"answered": 8}


def test_late_audio_comes_in_and_what_another_store_asked_is_in_no_ledger(store):
    attempt = begin(store, usd=0.5)
    late = {"version": "v1", "value": {"n": 1}, "seconds": 1.0, "used": {}, "usd": 0.2}
    store.rescue(attempt, key="k", blob=b"sound", **late)
    store.rescue(attempt, key="of another store", blob=None, **late)
    (store.late.folder / "damaged.json").write_text("{")
    (store.late.folder / "half.part").write_text("{")
    os.utime(store.late.folder / "half.part", (1, 1))
    again = Store(store.path)
    kept = again.find(["k", "of another store"], None)
    assert len(kept) == 2 and kept["k"].blob == b"sound"
    assert again.spent() == pytest.approx(0.2)
    assert [path.name for path in again.late.folder.iterdir()] == ["damaged.json"]


DAMAGED = [
    *("null", "[]", "{", "[" * 100_000, '{"blob": null}'),
    '{"attempt": 1, "key": "k", "version": "v", "value": 1, "blob": "***", "seconds": 1, '
    '"used": {}, "usd": 1}',
    '{"attempt": 1, "key": ["k"], "version": "v", "value": 1, "blob": null, "seconds": 1, '
    '"used": {}, "usd": 1}',
]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_beside_the_store_is_passed_over(store, text, monkeypatch, screen):
    store.late.folder.mkdir()
    (store.late.folder / "1-a.json").write_text(text)
    assert Store(store.path).find(["k"], None) == {}
    assert "1-a.json is damaged" in screen.getvalue()


def test_a_file_where_late_answers_would_lie_is_told_before_anything_is_asked(tmp_path):
    (tmp_path / "calls-late").write_text("mine")
    with pytest.raises(UserError, match="calls-late.* is no folder: nothing was asked"):
        Store(tmp_path / "calls.sqlite")


def test_a_process_that_lives_on_after_the_store_was_locked_asks_again(served, quick, monkeypatch):
    """What it could neither end nor write down is not waited for: it is its own."""
    monkeypatch.setattr(store_writer, "HOLD", 0.1)
    server, client, ask = served()
    server.answer, held = locking(client.store.path)
    with pytest.raises(UserError, match="calls-late"):
        ask(2)
    held[0].rollback()
    assert states(client) == {"open": 2}
    server.answer = lambda request: GOOD
    assert [result.value for result in ask(3)] == ["hi"] * 3 and len(server.requests) == 3
    assert states(client) == {"answered": 3}


def test_a_process_does_not_wait_for_itself(served):
    server, client, ask = served()
    ask(1)
    client.store.db.execute("DELETE FROM answers")
    client.store.db.execute("UPDATE attempts SET state = 'open'")
    assert ask(1)[0].value == "hi" and states(client) == {"answered": 1, "lost": 1}


def test_what_a_process_that_died_had_put_aside_is_not_asked_again_by_one_that_lives(store):
    other = Store(store.path)
    attempt = begin(other)
    late = {"version": "v1", "value": "hi", "seconds": 1.0, "used": {}, "usd": 0.0}
    other.rescue(attempt, key="k", blob=None, **late)
    assert store.begin("k", "one", "judge", FREE, {}, 0.0, 0.0).elsewhere
    store.db.execute("UPDATE owners SET pid = 999999999 WHERE id = ?", (other.owner,))
    assert store.begin("k", "one", "judge", FREE, {}, 0.0, 0.0).kept.value == "hi"


def test_a_run_that_is_ended_while_the_store_is_locked_loses_nothing(store, quick, monkeypatch):
    attempt = begin(store)

    async def ended() -> None:
        held = lock(store.path)
        answer = {"version": "v1", "value": 1, "blob": None, "seconds": 1.0, "used": {}, "usd": 0}
        work = asyncio.create_task(
            store_writer.StoreWriter(WaitReporter("test")).record(store, attempt, "k", answer, 10)
        )
        await asyncio.sleep(0.1)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        held.rollback()

    store.patience(10)
    asyncio.run(ended())
    assert Store(store.path).find(["k"], None)["k"].value == 1


def test_a_bound_counts_from_the_first_failure_for_all_that_wait(monkeypatch, quick):
    clock = [0.0]
    place, tries = store_writer.StoreWriter(WaitReporter("test"), clock=lambda: clock[0]), []

    def work() -> None:
        tries.append(clock[0])
        clock[0] += store_writer.HOLD / 4
        raise Shut("locked")

    async def both() -> list:
        return await asyncio.gather(place.write(work), place.write(work), return_exceptions=True)

    assert [type(error) for error in asyncio.run(both())] == [Shut, Shut]
    assert len(tries) <= 9


LOCKED = """
import sys
from pathlib import Path
from scripts.services import database
database.OPENING = 0.1
from scripts.services.response_store import Store
Store(Path(sys.argv[1]))
"""


def test_a_store_that_cannot_be_opened_is_told_at_once(tmp_path, capsys):
    (tmp_path / "calls.sqlite").mkdir()
    with pytest.raises(UserError, match="cannot be used: unable to open"):
        Store(tmp_path / "calls.sqlite")
    assert "waited" not in "".join(capsys.readouterr())


def test_only_for_a_lock_is_the_opening_tried_again(tmp_path, monkeypatch):
    tried = []

    def prepare(store: Store) -> None:
        tried.append(store)
        raise Shut("a disk that fails")

    monkeypatch.setattr(Store, "_prepare", prepare)
    with pytest.raises(Shut):
        Store(tmp_path / "calls.sqlite")
    assert len(tried) == 1


def test_an_opening_that_is_refused_at_once_is_tried_again(tmp_path, monkeypatch, capsys):
    """Two processes that create the store at the same moment."""
    tried = []
    prepare = Store._prepare

    def locked_at_first(store: Store) -> None:
        tried.append(store)
        if len(tried) < 9:
            raise Locked("locked by the other one")
        prepare(store)

    monkeypatch.setattr(Store, "_prepare", locked_at_first)
    Store(tmp_path / "calls.sqlite").close()
    assert len(tried) == 9 and "waited" not in "".join(capsys.readouterr())


def test_whoever_waits_for_a_locked_store_at_its_opening_says_so(store):
    held = lock(store.path)
    command = [sys.executable, "-c", LOCKED, str(store.path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    held.rollback()
    assert done.stderr.count("s already: the store") == 3
    assert done.stderr.splitlines()[-1].endswith("end it and run again.")

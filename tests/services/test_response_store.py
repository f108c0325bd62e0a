"""The response store: what it keeps, what it admits, and that the budget holds."""

from __future__ import annotations

import itertools
import os
import sqlite3
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.common.errors import UserError
from scripts.services import response_store
from scripts.services.ledger import BudgetReached
from scripts.services.response_store import Store, key_of
from scripts.services.settings import Limits
from tests.services.conftest import FREE


@pytest.fixture
def store(tmp_path):
    found = Store(tmp_path / "cache/calls.sqlite")
    yield found
    found.close()


OTHERS = (f"call {number}" for number in itertools.count())


def begin(
    store,
    key=None,
    limits=FREE,
    caps=None,
    usd=0.0,
    tokens=0.0,
    endpoint="one",
    stage="judge",
    version=None,
):
    """A turn; without `key`, for a call that was never sent."""
    key = key or next(OTHERS)
    return store.begin(key, endpoint, stage, limits, caps or {}, usd, tokens, version)


def answer(store, key="k", value="hi", version="v1", usd=0.0, blob=None, most=10, **more):
    attempt = begin(store, key, version=version, **more).attempt
    return store.answered(attempt, version, value, blob, 1.5, {"input token": 3}, usd, most)


def test_what_was_answered_is_found_by_another_process(store):
    answer(store, value={"text": "你好"}, blob=b"sound")
    (kept,) = Store(store.path).find(["k", "other"], None).values()
    assert (kept.value, kept.blob, kept.version, kept.seconds) == (
        {"text": "你好"},
        b"sound",
        "v1",
        1.5,
    )


def test_an_answer_of_another_version_counts_only_if_any_does(store):
    answer(store, value="old", version="v1")
    assert answer(store, value="new", version="v2") == "v1"  # it says who answered before
    assert store.find(["k"], None)["k"].value == "new"
    assert store.find(["k"], "v1")["k"].value == "old"
    assert store.find(["k"], "v3") == {}


@pytest.mark.parametrize("what", ["'x'", "NULL", "X'FF22'", "CAST(X'FF22' AS TEXT)"])
@pytest.mark.parametrize("column", ["value", "version", "blob", "seconds", "digest"])
def test_a_damaged_row_is_as_if_it_were_not_there(store, column, what):
    answer(store, blob=b"sound")
    store.db.execute(f"UPDATE answers SET {column} = {what}")
    assert store.find(["k"], None) == {}


def test_damaged_audio_is_as_if_it_were_not_there(store):
    answer(store, blob=b"sound")
    (file,) = [path for path in store.blobs.rglob("*") if path.is_file()]
    file.write_bytes(b"soun")
    assert store.find(["k"], None) == {}
    file.unlink()
    assert store.find(["k"], None) == {}


def test_a_damaged_file_is_told_with_a_way_out(tmp_path):
    path = tmp_path / "calls.sqlite"
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(UserError, match="is damaged .*move it away"):
        Store(path)


def test_a_full_disk_is_told_and_loses_nothing(store):
    answer(store, key="first")
    store.db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(OSError) as error:
        answer(store, key="second", value="x" * 1_000_000)
    assert error.value.errno == 28
    store.db.execute("PRAGMA max_page_count = 1000000")
    assert set(store.find(["first", "second"], None)) == {"first"}


def test_nothing_is_ever_unpickled(store):
    answer(store)
    raw = store.path.read_bytes()
    assert b"pickle" not in raw and sqlite3.connect(store.path).execute(
        "SELECT value FROM answers"
    ).fetchall() == [('"hi"',)]


def test_a_file_is_hashed_once_until_it_changes(store, tmp_path, monkeypatch):
    clip = tmp_path / "clip.flac"
    clip.write_bytes(b"one")
    first = store.sha256(clip)
    monkeypatch.setattr(response_store.hashlib, "file_digest", None)
    assert store.sha256(clip) == first
    monkeypatch.undo()
    clip.write_bytes(b"other")
    assert store.sha256(clip) != first


def test_no_more_than_the_lane_bears_are_under_way(store):
    limits = Limits(at_once=2, rpm=None, tpm=None)
    first, second = begin(store, limits=limits)[0], begin(store, limits=limits)[0]
    assert begin(store, limits=limits)[0] is None
    assert begin(store, limits=limits, endpoint="other")[0] is not None
    store.failed(first, "transient", "HTTP 500")
    assert begin(store, limits=limits)[0] is not None
    assert second


def test_two_processes_share_the_lane(store):
    limits = Limits(at_once=1, rpm=None, tpm=None)
    begin(store, limits=limits)
    assert begin(Store(store.path), limits=limits)[0] is None


def test_being_limited_narrows_the_lane_once_an_episode_and_answers_widen_it(store):
    attempts = [begin(store)[0] for _ in range(10)]

    def at_once() -> int:
        return store.db.execute("SELECT at_once FROM lanes").fetchone()[0]

    for attempt in attempts[:5]:
        store.failed(attempt, "limited", "HTTP 429", wait=0.0)
    assert at_once() == 8  # 0.8 of 10, though five came back
    for attempt in attempts[5:]:
        store.failed(attempt, "transient", "HTTP 500")
    assert at_once() == 8
    time.sleep(0.01)
    store.failed(begin(store)[0], "limited", "HTTP 429", wait=0.0)
    assert at_once() == 6
    for number in range(6):
        answer(store, f"six {number}")
    assert at_once() == 7
    for number in range(100):
        answer(store, f"many {number}")
    assert at_once() == 10


def test_a_lane_is_closed_for_as_long_as_the_service_says(store):
    store.failed(begin(store)[0], "limited", "HTTP 429", wait=30.0)
    turn = begin(store)
    assert turn.attempt is None and 29 < turn.wait <= 30


def test_requests_a_minute(tmp_path):
    clock = [1000.0]
    store = Store(tmp_path / "calls.sqlite", ticks=lambda: clock[0])
    limits = Limits(at_once=100, rpm=3, tpm=None)
    for _ in range(3):
        assert begin(store, limits=limits)[0] is not None
        clock[0] += 10
    turn = begin(store, limits=limits)
    assert turn.attempt is None and turn.wait == pytest.approx(30)
    clock[0] += turn.wait + 0.001
    assert begin(store, limits=limits)[0] is not None
    assert begin(store, limits=limits)[0] is None


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=25), rpm=st.integers(1, 6))
def test_no_minute_ever_has_more_requests_or_tokens_than_allowed(tmp_path_factory, sizes, rpm):
    """Whatever is asked: a call larger than the limit goes alone."""
    limits, clock, sent = Limits(at_once=1000, rpm=rpm, tpm=50), [1e6], []
    store = Store(tmp_path_factory.mktemp("store") / "calls.sqlite", ticks=lambda: clock[0])
    for size in sizes:
        while begin(store, limits=limits, tokens=size)[0] is None:
            clock[0] += max(0.5, begin(store, limits=limits, tokens=size)[1])
        sent.append((clock[0], size))
        clock[0] += 1
    for start, _ in sent:
        minute = [size for at, size in sent if start <= at < start + 60]
        assert len(minute) <= rpm
        assert sum(minute) <= 50 or len(minute) == 1
    store.close()


def test_money_is_reserved_before_a_call_leaves(store):
    caps = {"all": 1.0}
    attempt = begin(store, caps=caps, usd=0.6).attempt
    assert begin(store, caps=caps, usd=0.6)[0] is None  # it may yet come free
    store.answered(attempt, "v1", "hi", None, 1.0, {}, 0.1, 10)
    assert store.spent() == pytest.approx(0.1)
    attempt = begin(store, caps=caps, usd=0.6).attempt
    store.answered(attempt, "v1", "hi", None, 1.0, {}, 0.6, 10)
    with pytest.raises(BudgetReached, match=r"max_usd is reached: 0.70 of 1.00 USD .*0.6000"):
        begin(store, caps=caps, usd=0.6)


def test_a_stage_has_a_limit_of_its_own(store):
    caps = {"all": 10.0, "judge": 1.0}
    answer(store, caps=caps, usd=0.9)
    with pytest.raises(BudgetReached, match="max_usd of judge is reached"):
        begin(store, caps=caps, usd=0.2)
    assert begin(store, caps=caps, usd=0.2, stage="write")[0] is not None
    assert store.spent("judge") == pytest.approx(0.9) and store.spent() == pytest.approx(1.1)


def test_many_writers_never_spend_more_than_there_is(store):
    """Twenty threads with a store each buy for 0.01 what they can get of 1.00."""

    limits = Limits(at_once=50, rpm=None, tpm=None)

    def buy() -> None:
        own = Store(store.path)
        try:
            while True:
                turn = begin(own, caps={"all": 1.0}, usd=0.01, limits=limits)
                if turn.attempt is None:
                    time.sleep(turn.wait)
                    continue
                own.answered(turn.attempt, "v1", "hi", None, 0.0, {}, 0.01, 50)
        except BudgetReached:
            own.close()

    threads = [threading.Thread(target=buy) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.spent() == pytest.approx(1.0)
    ((_, _, _, state, attempts, _, usd),) = store.summary()
    assert (state, attempts) == ("answered", 100) and usd == pytest.approx(1.0)


def test_what_a_dead_process_had_under_way_is_lost_and_counts_as_spent(store):
    begin(store, usd=0.4, limits=Limits(1, None, None))
    store.db.execute("UPDATE owners SET pid = 999999999, born = '1'")
    assert begin(store, limits=Limits(1, None, None))[0] is None  # it is looked for here
    assert begin(store, limits=Limits(1, None, None))[0] is not None
    assert store.spent() == pytest.approx(0.4)
    assert ("lost", 1) in {(row[3], row[4]) for row in store.summary()}


def test_a_number_that_another_process_has_now_is_not_that_process(store):
    begin(store)
    store.db.execute("UPDATE owners SET born = 'earlier'")
    Store(store.path)
    assert store.summary()[0][3] == "lost" and os.getpid()


def test_an_answer_that_cannot_be_used_costs_what_it_cost_or_what_was_reserved(store):
    store.failed(begin(store, usd=0.5)[0], "refused", "no", used={"input token": 9}, usd=0.2)
    store.failed(begin(store, usd=0.5)[0], "transient", "no answer in time")
    store.failed(begin(store, usd=0.5)[0], "transient", "HTTP 500", usd=0.0)
    assert store.spent() == pytest.approx(0.7)


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none()), max_size=4))
def test_the_order_of_parts_does_not_change_the_key(parts):
    assert key_of("a", parts) == key_of("a", dict(reversed(parts.items())))
    assert key_of("a", parts) != key_of("b", parts)

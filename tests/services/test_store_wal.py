"""The store has a write-ahead log: killed processes lose nothing, readers never wait."""

import sqlite3

import pytest

from scripts.services.database import Shut
from scripts.services.response_store import Store


def test_the_store_writes_ahead(tmp_path):
    store = Store(tmp_path / "calls.sqlite")
    other = sqlite3.connect(store.path)
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_who_reads_does_not_hold_up_who_writes(tmp_path):
    store = Store(tmp_path / "calls.sqlite")
    reader = sqlite3.connect(store.path, timeout=0, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM answers").fetchone()
    store.db.execute("PRAGMA busy_timeout = 0")
    store.db.execute("INSERT INTO files VALUES ('a', 1, 2, 'b')")  # would find it locked
    assert reader.execute("SELECT count(*) FROM files").fetchone() == (0,)
    reader.execute("COMMIT")
    assert reader.execute("SELECT count(*) FROM files").fetchone() == (1,)
    store.close()


def test_of_two_who_write_one_waits_before_it_looks(tmp_path):
    """What it decides by, such as what is spent, is as the other one left it."""
    one, other = Store(tmp_path / "calls.sqlite"), Store(tmp_path / "calls.sqlite")
    other.patience(50)
    looked = []
    with one._writing(), pytest.raises(Shut), other._writing():
        looked.append(other.spent())
    assert looked == []
    one.close()
    other.close()

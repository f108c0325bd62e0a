"""The store's tables: those of another version are migrated, or refused before anything is sent."""

from __future__ import annotations

import os
import sqlite3

import pytest

from scripts.common.errors import UserError
from scripts.services import client as client_
from scripts.services import processes, store_schema
from scripts.services.response_store import Store
from tests.services.conftest import answer, begin

OLD = """
CREATE TABLE attempts (id INTEGER PRIMARY KEY, key TEXT, lane TEXT, stage TEXT,
  pid INTEGER, born TEXT, started REAL, ended REAL, state TEXT, version TEXT, used TEXT,
  tokens REAL, usd REAL, words TEXT, raw TEXT);
CREATE INDEX by_time ON attempts (lane, started);
CREATE INDEX by_open ON attempts (lane) WHERE state = 'open';
CREATE TABLE spent (stage TEXT PRIMARY KEY, usd REAL);
CREATE TABLE lanes (lane TEXT PRIMARY KEY, at_once INTEGER, changed REAL,
  answered INTEGER, closed_until REAL, version TEXT);
CREATE TABLE host (name TEXT);
CREATE TABLE answers (key TEXT, version TEXT, value TEXT, blob TEXT, seconds REAL,
  made REAL, digest TEXT, PRIMARY KEY (key, version));
CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, digest TEXT);
INSERT INTO host VALUES ('node7');
INSERT INTO lanes VALUES ('one', 8, 1.0, 3, 9e9, 'v1');
INSERT INTO spent VALUES ('all', 1.5);
INSERT INTO attempts (key, lane, stage, pid, born, started, state, tokens, usd)
  VALUES ('k', 'one', 'judge', 999999999, '1', 1.0, 'open', 3, 0.5),
  ('a', 'one', 'judge', 999999999, '1', 1.0, 'answered', 3, 1.0);
"""


@pytest.mark.parametrize(
    "change, words",
    [
        ("ALTER TABLE answers ADD COLUMN license TEXT", "'answers' has license"),
        ("ALTER TABLE attempts DROP COLUMN raw", "'attempts' lacks raw"),
        ("ALTER TABLE answers DROP COLUMN digest", "'answers' lacks digest"),
        ("ALTER TABLE lanes ADD COLUMN note TEXT", "'lanes' has note"),
        ("CREATE TABLE more (one TEXT)", "'more' has one"),
        (
            "CREATE TRIGGER no BEFORE INSERT ON answers BEGIN SELECT RAISE(ABORT, 'no'); END",
            "the trigger 'no'",
        ),
        ("CREATE UNIQUE INDEX one ON answers (version)", "'answers' has each version once"),
        (f"PRAGMA user_version = {store_schema.VERSION + 1}", "made by a newer version"),
    ],
)
def test_other_tables_are_refused_before_anything_is_asked(served, change, words):
    server, client, ask = served()
    client.store.db.execute(change)
    client_._store.cache_clear()
    with pytest.raises(UserError, match=words) as error:
        served()
    assert "services.store" in str(error.value) and server.requests == []


def old(path, script="") -> None:
    with sqlite3.connect(path) as db:
        db.executescript(OLD + script)


def test_a_store_of_the_version_before_is_brought_up_to_date(tmp_path):
    new = Store(tmp_path / "new.sqlite")
    answer(new)
    (row,) = new.db.execute("SELECT * FROM answers").fetchall()
    path = tmp_path / "calls.sqlite"
    old(path)
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    store = Store(path)
    assert store.find(["k"], None)["k"].value == "hi" and store.spent() == 1.5
    assert {row[3]: row[4] for row in store.summary()} == {"lost": 1, "answered": 1}
    assert store.db.execute("PRAGMA user_version").fetchone() == (store_schema.VERSION,)
    assert begin(store, "new") and set(Store(path).find(["k"], None)) == {"k"}


def test_a_copy_that_lost_its_version_is_still_known(store):
    answer(store)
    store.db.execute("PRAGMA user_version = 0")  # as in what `.dump` writes
    assert Store(store.path).find(["k"], None)["k"].value == "hi"


def test_a_store_that_an_older_version_works_with_is_left_alone(tmp_path):
    path = tmp_path / "calls.sqlite"
    born = processes.born(os.getpid())
    old(path, f"UPDATE attempts SET pid = {os.getpid()}, born = '{born}';")
    with pytest.raises(UserError, match=f"in use by process {os.getpid()} of an older version"):
        Store(path)
    assert sqlite3.connect(path).execute("SELECT COUNT(pid) FROM attempts").fetchone() == (2,)

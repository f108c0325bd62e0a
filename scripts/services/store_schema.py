"""The tables of the response store, checked before anything is bought.

A store of an older version is migrated. A newer or altered one is refused: paid answers could not
be written into it. The column `lane` is an endpoint (a model at an address).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from scripts.common.errors import UserError
from scripts.services import processes

VERSION = 1  # of the tables, stored as SQLite's user_version
TABLES = """
CREATE TABLE IF NOT EXISTS attempts (id INTEGER PRIMARY KEY, key TEXT, lane TEXT, stage TEXT,
  owner INTEGER, tick REAL, started REAL, ended REAL, state TEXT, version TEXT, used TEXT,
  tokens REAL, usd REAL, words TEXT, raw TEXT);
CREATE INDEX IF NOT EXISTS by_tick ON attempts (lane, tick);
CREATE INDEX IF NOT EXISTS by_lane ON attempts (lane) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS by_key ON attempts (key) WHERE state = 'open';
CREATE TABLE IF NOT EXISTS owners (id INTEGER PRIMARY KEY, host TEXT, boot TEXT, space TEXT,
  pid INTEGER, born TEXT, tick REAL, seen REAL);
CREATE TABLE IF NOT EXISTS machine (boot TEXT, first INTEGER);
CREATE TABLE IF NOT EXISTS spent (stage TEXT PRIMARY KEY, usd REAL);
CREATE TABLE IF NOT EXISTS lanes (lane TEXT PRIMARY KEY, at_once INTEGER, changed REAL,
  answered INTEGER, closed_until REAL, version TEXT);
CREATE TABLE IF NOT EXISTS answers (key TEXT, version TEXT, value TEXT, blob TEXT, seconds REAL,
  made REAL, digest TEXT, PRIMARY KEY (key, version));
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER,
  digest TEXT);
"""
# What version 0 had in place of `owners`, `machine` and their columns.
ATTEMPTS_0 = (
    *("id", "key", "lane", "stage", "pid", "born", "started", "ended", "state", "version", "used"),
    *("tokens", "usd", "words", "raw"),
)
FROM_0 = """
DROP INDEX IF EXISTS by_time;
DROP INDEX IF EXISTS by_open;
ALTER TABLE attempts RENAME TO attempts_0;
ALTER TABLE lanes RENAME TO lanes_0;
"""
KEPT_0 = "id, key, lane, stage, started, ended, state, version, used, tokens, usd, words, raw"


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Create or migrate the tables, inside a write transaction.

    Raises UserError for tables that this version does not know.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    there = tables(db)
    if version > VERSION:
        raise UserError(
            f"the store {path} was made by a newer version of this program (its tables are of "
            f"version {version}, known here is {VERSION}); update the program, or set "
            "services.store to another file."
        )
    if not there:
        _run(db, TABLES)
    elif version == 0 and "owners" not in there:  # a copy made by `.dump` has lost its version
        _from_0(db, path, there)
    db.execute(f"PRAGMA user_version = {VERSION}")
    _compare(path, tables(db), _wanted())
    _refuse_additions(db, path)


def tables(db: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
    """The tables of a file and their columns."""
    names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {
        name: tuple(row[1] for row in db.execute(f'PRAGMA table_info("{name}")'))
        for (name,) in names
        if not name.startswith("sqlite_")
    }


def _from_0(db: sqlite3.Connection, path: Path, there: dict[str, tuple[str, ...]]) -> None:
    """Migrate version 0, which had no owners and used the wall clock."""
    wanted = _wanted()
    old = {name: wanted[name] for name in ("spent", "lanes", "answers", "files")}
    _compare(path, there, {**old, "attempts": ATTEMPTS_0, "host": ("name",)})
    open_ones = "SELECT DISTINCT pid, born FROM attempts WHERE state = 'open'"
    for pid, born in db.execute(open_ones).fetchall():
        if processes.born(pid) == born:
            raise UserError(
                f"the store {path} is in use by process {pid} of an older version of this program; "
                "let it end, then run the same command again."
            )
    _run(db, FROM_0)
    _run(db, TABLES)
    db.execute(f"INSERT INTO attempts (tick, {KEPT_0}) SELECT -1, {KEPT_0} FROM attempts_0")
    db.execute(
        "UPDATE attempts SET state = 'lost', words = 'its process died' WHERE state = 'open'"
    )
    db.execute("INSERT INTO lanes SELECT lane, at_once, 0, answered, 0, version FROM lanes_0")
    _run(db, "DROP TABLE attempts_0; DROP TABLE lanes_0; DROP TABLE host;")


def _compare(path: Path, there: dict[str, tuple], wanted: dict[str, tuple]) -> None:
    wrong = []
    for name in sorted(there.keys() | wanted.keys()):
        here, need = set(there.get(name, ())), set(wanted.get(name, ()))
        for verb, columns in (("has", here - need), ("lacks", need - here)):
            if columns:
                wrong.append(f"'{name}' {verb} {', '.join(sorted(columns))}")
    if wrong:
        raise UserError(
            f"the store {path} has other tables than this version of the program writes: "
            f"{'; '.join(wrong)}. Nothing was asked. Use the version that made it, or set "
            "services.store to another file."
        )


def _refuse_additions(db: sqlite3.Connection, path: Path) -> None:
    """Refuse foreign constraints: tables with the right columns may still reject or change rows."""
    with sqlite3.connect(":memory:") as own:
        own.executescript(TABLES)
        added = sorted(_rules(db) ^ _rules(own))
    if added:
        raise UserError(
            f"the store {path} has other rules than this version of the program makes: "
            f"{'; '.join(added)}. Nothing was asked. Take them out, or set services.store to "
            "another file."
        )


def _rules(db: sqlite3.Connection) -> set[str]:
    """The constraints of a file: triggers, unique indexes and column constraints."""
    made = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    found = {f"the trigger '{name}'" for kind, name, _, _ in made if kind == "trigger"}
    for table in tables(db):
        for _, name, kind, needed, default, key in db.execute(f'PRAGMA table_info("{table}")'):
            found.add(f"'{table}.{name}' is {kind} {needed} {default} {key}".rstrip())
        for _, index, unique, *_ in db.execute(f'PRAGMA index_list("{table}")').fetchall():
            if unique:
                names = [row[2] for row in db.execute(f'PRAGMA index_info("{index}")')]
                found.add(f"'{table}' has each {', '.join(map(str, names))} once")
    checks = {table for kind, table, _, sql in made if kind == "table" and "CHECK" in sql.upper()}
    return found | {f"'{table}' checks its rows" for table in checks}


def _wanted() -> dict[str, tuple[str, ...]]:
    with sqlite3.connect(":memory:") as db:
        db.executescript(TABLES)
        return tables(db)


def _run(db: sqlite3.Connection, script: str) -> None:
    """Like `executescript`, which would commit the transaction first."""
    for statement in script.split(";"):
        if statement.strip():
            db.execute(statement)

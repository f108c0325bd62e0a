"""The ledger of calls to services: who may send the next one, what it may cost, what it did cost.

One SQLite file that all jobs of a host share: a row for each attempt; the money that is reserved
and spent; and, for each lane (a model at an address), how many attempts may be under way at once.
WAL: a process that is killed loses nothing that it had written.

Times are seconds since 1970. An attempt is `open` until it ends; one whose process died is `lost`
and counts what was reserved for it as spent, as the service may well have charged it.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path

from scripts.common import services
from scripts.common.services import ALL, Limits
from scripts.common.stage import UserError

TABLES = """
CREATE TABLE IF NOT EXISTS attempts (id INTEGER PRIMARY KEY, key TEXT, lane TEXT, stage TEXT,
  pid INTEGER, born TEXT, started REAL, ended REAL, state TEXT, version TEXT, used TEXT,
  tokens REAL, usd REAL, words TEXT, raw TEXT);
CREATE INDEX IF NOT EXISTS by_time ON attempts (lane, started);
CREATE INDEX IF NOT EXISTS by_open ON attempts (lane) WHERE state = 'open';
CREATE TABLE IF NOT EXISTS spent (stage TEXT PRIMARY KEY, usd REAL);
CREATE TABLE IF NOT EXISTS lanes (lane TEXT PRIMARY KEY, at_once INTEGER, changed REAL,
  answered INTEGER, closed_until REAL, version TEXT);
CREATE TABLE IF NOT EXISTS host (name TEXT);
"""
MINUTE = 60.0
SLOWER = 0.8  # the share of the calls under way that is left after the service had too many
TINY = 1e-9  # dollars, for the rounding of sums
POLL = 0.02  # seconds until a full lane is looked at again


class BudgetReached(UserError):
    """Another call would cost more than what is left of `max_usd`."""


class Ledger:
    """Opens (and makes) the file at `path`. Raises UserError where it cannot be used."""

    def __init__(self, path: Path):
        services.check_store(path)
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._readable():
            self.db = sqlite3.connect(self.path, timeout=120, isolation_level=None)
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA synchronous = NORMAL")
            self.db.executescript(TABLES)
        self.pid, self.born = os.getpid(), _born(os.getpid())
        self._take_over()

    def close(self) -> None:
        self.db.close()

    def begin(
        self,
        key: str,
        lane: str,
        stage: str,
        limits: Limits,
        caps: Mapping[str, float],
        usd: float,
        tokens: float,
    ) -> tuple[int | None, float]:
        """Reserve a place in the lane and the money: (attempt, 0), or (None, seconds to wait).

        Raises BudgetReached if what is spent leaves too little for it; what is only reserved may
        yet come free, so for that it waits.
        """
        with self._writing():
            now = time.time()
            at_once, until = self._lane(lane, limits)
            wait = until - now if until > now else self._room(lane, limits, tokens, at_once, now)
            if wait <= 0:
                wait = self._afford(stage, caps, usd)
            if wait > 0:
                return None, wait
            cursor = self.db.execute(
                "INSERT INTO attempts (key, lane, stage, pid, born, started, state, tokens, usd) "
                "VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?)",
                (key, lane, stage, self.pid, self.born, now, tokens, usd),
            )
            self._spend(stage, usd)
            return cursor.lastrowid, 0.0

    def failed(
        self,
        attempt: int,
        kind: str,
        words: str,
        raw: str | None = None,
        wait: float = 0.0,
        used: Mapping[str, float] | None = None,
        usd: float | None = None,
    ) -> None:
        """Write down an attempt without an answer; `usd` None: it took what was reserved for it.

        If it was `limited`, the lane is closed for `wait` seconds and narrowed: once for all calls
        that were under way together.
        """
        with self._writing():
            _, lane, started = self._end(attempt, kind, None, used or {}, usd, words, raw)
            if kind == "limited":
                now = time.time()
                self.db.execute(
                    "UPDATE lanes SET closed_until = MAX(closed_until, ?) WHERE lane = ?",
                    (now + wait, lane),
                )
                self.db.execute(
                    "UPDATE lanes SET at_once = MAX(1, CAST(at_once * ? AS INTEGER)), changed = ?, "
                    "answered = 0 WHERE lane = ? AND changed < ?",
                    (SLOWER, now, lane, started),
                )

    def summary(self) -> list[tuple]:
        """(stage, lane, version, state, attempts, tokens, dollars), summed over the attempts."""
        return self.db.execute(
            "SELECT stage, lane, COALESCE(version, ''), state, COUNT(*), SUM(tokens), SUM(usd) "
            "FROM attempts GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        ).fetchall()

    def spent(self, stage: str = ALL) -> float:
        """Dollars that were spent or are reserved."""
        row = self.db.execute("SELECT usd FROM spent WHERE stage = ?", (stage,)).fetchone()
        return row[0] if row else 0.0

    def _lane(self, lane: str, limits: Limits) -> tuple[int, float]:
        row = self.db.execute(
            "SELECT at_once, closed_until FROM lanes WHERE lane = ?", (lane,)
        ).fetchone()
        if row is None:
            self.db.execute(
                "INSERT INTO lanes VALUES (?, ?, 0, 0, 0, NULL)", (lane, limits.at_once)
            )
            return limits.at_once, 0.0
        return min(row[0], limits.at_once), row[1]

    def _room(self, lane: str, limits: Limits, tokens: float, at_once: int, now: float) -> float:
        """Seconds until there may be room for another call; 0 if there is."""
        (under_way,) = self.db.execute(
            "SELECT COUNT(*) FROM attempts WHERE lane = ? AND state = 'open'", (lane,)
        ).fetchone()
        if under_way >= at_once:
            self._sweep(lane)
            return POLL
        if limits.rpm is None and limits.tpm is None:
            return 0.0
        recent = self.db.execute(
            "SELECT started, tokens FROM attempts WHERE lane = ? AND started > ? ORDER BY started",
            (lane, now - MINUTE),
        ).fetchall()
        over = len(recent) - (limits.rpm or float("inf")) + 1
        wait = 0.0
        if over > 0 and recent:
            wait = recent[min(int(-(-over // 1)), len(recent)) - 1][0] + MINUTE - now
        if limits.tpm is not None and recent:
            left = sum(row[1] for row in recent) + tokens - limits.tpm
            for started, count in recent:
                if left <= 0:
                    break
                left -= count
                wait = max(wait, started + MINUTE - now)
        return max(wait, 0.0)

    def _afford(self, stage: str, caps: Mapping[str, float], usd: float) -> float:
        for name in (stage, ALL):
            if not usd or name not in caps:
                continue
            where, values = ("", ()) if name == ALL else ("AND stage = ?", (stage,))
            (reserved,) = self.db.execute(
                f"SELECT COALESCE(SUM(usd), 0) FROM attempts WHERE state = 'open' {where}", values
            ).fetchone()
            whole = self.spent(name)
            if whole + usd > caps[name] + TINY:
                if whole - reserved + usd <= caps[name] + TINY:
                    self._sweep(None)
                    return POLL
                whose = "max_usd" if name == ALL else f"max_usd of {name}"
                raise BudgetReached(
                    f"{whose} is reached: {whole - reserved:.2f} of {caps[name]:.2f} USD are spent "
                    f"and another call may cost {usd:.4f}. What was answered is kept in "
                    f"{self.path}: raise max_usd and run the same command again."
                )
        return 0.0

    def _widen(self, lane: str, version: str, most: int) -> str | None:
        """A call was answered: after as many as may be under way one more may, `most` in the end.

        Returns the version that answered before, where it was another one.
        """
        (at_once, answered, before) = self.db.execute(
            "SELECT at_once, answered, version FROM lanes WHERE lane = ?", (lane,)
        ).fetchone()
        more = answered + 1 >= at_once and at_once < most
        self.db.execute(
            "UPDATE lanes SET at_once = ?, answered = ?, version = ? WHERE lane = ?",
            (at_once + more, 0 if more else answered + 1, version, lane),
        )
        return before if before not in (None, version) else None

    def _end(
        self,
        attempt: int,
        state: str,
        version: str | None,
        used: Mapping[str, float],
        usd: float | None,
        words: str,
        raw: str | None,
    ) -> tuple[str, str, float]:
        key, lane, stage, started, reserved, tokens = self.db.execute(
            "SELECT key, lane, stage, started, usd, tokens FROM attempts WHERE id = ?", (attempt,)
        ).fetchone()
        usd = reserved if usd is None else usd
        real = sum(used.get(unit, 0.0) for unit in services.TOKENS) or tokens
        self.db.execute(
            "UPDATE attempts SET state = ?, ended = ?, version = ?, used = ?, tokens = ?, usd = ?, "
            "words = ?, raw = ? WHERE id = ?",
            (state, time.time(), version, json.dumps(used), real, usd, words, raw, attempt),
        )
        self._spend(stage, usd - reserved)
        return key, lane, started

    def _spend(self, stage: str, usd: float) -> None:
        for name in dict.fromkeys((stage, ALL)):
            self.db.execute(
                "INSERT INTO spent VALUES (?, ?) ON CONFLICT DO UPDATE SET usd = usd + ?",
                (name, usd, usd),
            )

    def _sweep(self, lane: str | None) -> None:
        """End the attempts of processes that are no more."""
        where, values = ("", ()) if lane is None else ("AND lane = ?", (lane,))
        for pid, born in self.db.execute(
            f"SELECT DISTINCT pid, born FROM attempts WHERE state = 'open' {where}", values
        ).fetchall():
            if _born(pid) != born:
                self.db.execute(
                    "UPDATE attempts SET state = 'lost', ended = ?, words = 'its process died' "
                    "WHERE state = 'open' AND pid = ? AND born = ?",
                    (time.time(), pid, born),
                )

    def _take_over(self) -> None:
        """One host owns the store: refuse it while another one's calls are under way."""
        with self._writing():
            row = self.db.execute("SELECT name FROM host").fetchone()
            mine = socket.gethostname()
            if row and row[0] != mine:
                under_way = self.db.execute(
                    "SELECT COUNT(*) FROM attempts WHERE state = 'open' AND started > ?",
                    (time.time() - 3600,),
                ).fetchone()[0]
                if under_way:
                    raise UserError(
                        f"the store {self.path} is in use by the host {row[0]}; services are asked "
                        "from one host only. Run there, or set services.store to another file."
                    )
            if not row or row[0] != mine:
                self.db.execute("DELETE FROM host")
                self.db.execute("INSERT INTO host VALUES (?)", (mine,))
            self._sweep(None)

    @contextmanager
    def _writing(self):
        with self._readable():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self.db.in_transaction:  # SQLite ends it by itself when the disk is full
                    self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")

    @contextmanager
    def _readable(self):
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise UserError(
                    f"the store {self.path} is locked by another program; end it and run again."
                ) from error
            if "full" in str(error):
                raise OSError(28, "the disk is full", str(self.path)) from error
            raise UserError(f"the store {self.path} cannot be used: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise UserError(
                f"the store {self.path} is damaged ({error}); move it away: what it held is asked "
                "again, or save what can be saved with `sqlite3 FILE .recover`."
            ) from error


def _born(pid: int) -> str:
    """When a process began, in ticks since the machine did, so that a pid used again is another
    process (Linux); elsewhere whether it is there. Empty if it is not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[19]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return ""
    except ProcessLookupError:
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"

"""The ledger of calls to services: rate limits, budget and cost of every attempt.

One SQLite file shared by all jobs of a host: a row for each attempt, the money reserved and spent
and, for each endpoint (a model at an address; the column `lane`), how many attempts may be in
flight. In WAL mode a killed process loses nothing that it had written.

`tick` and the times in the table `lanes` are on the machine's monotonic clock
(scripts/services/processes.py), all others are seconds since 1970. An attempt is `open` until it
ends; while its process lives, no other process sends the same call. An attempt whose process died
is `lost`, and its reserved cost counts as spent: the service may have charged it.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from scripts.common.errors import UserError
from scripts.services import prices, processes, requirements, store_schema
from scripts.services.database import Database
from scripts.services.processes import Owner
from scripts.services.settings import ALL, Limits

MINUTE = 60.0
SLOWER = 0.8  # factor of the concurrency limit after a rate-limit error
TINY = 1e-9  # dollars, for the rounding of sums
POLL = 0.02  # seconds between checks of a full endpoint
ASKED_ELSEWHERE = 0.25  # seconds between checks of a call that another process has sent
CLOSED = 3600.0  # seconds: longest time without a call that a service can ask for


class BudgetReached(UserError):
    """Another call would exceed `max_usd`."""


class Turn(NamedTuple):
    """The result of asking for a slot: an attempt to send, an answer that has arrived meanwhile, or
    how many seconds to wait and why."""

    attempt: int | None = None
    wait: float = 0.0
    why: str = ""
    elsewhere: bool = False  # another process has sent this very call
    closed: bool = False  # the service asked to wait
    kept: Any = None


class Ledger(Database):
    """Opens (and makes) the file at `path`. `ticks` is the machine's clock.

    Raises UserError where it cannot be used, has other tables, or is in use by another host.
    """

    def __init__(self, path: Path, ticks: Callable[[], float] = processes.ticks):
        requirements.check_store(path)
        self.ticks, self.mine = ticks, processes.me()
        self.owner = secrets.randbits(62)  # the number of this process in the file
        super().__init__(path)

    def beat(self) -> None:
        """Renew the lease on this process's calls in flight."""
        with self._writing():
            self._beat()

    def start(self) -> None:
        """Start with no call in flight: close attempts whose end could not be written while the
        store was locked."""
        with self._writing():
            self._lose(self.owner, "its end could not be written")
            self._inherit()
            self._beat()

    def begin(
        self,
        key: str,
        endpoint: str,
        stage: str,
        limits: Limits,
        caps: Mapping[str, float],
        usd: float,
        tokens: float,
        version: str | None = None,
    ) -> Turn:
        """Reserve a slot of the endpoint and the cost, unless the call has been answered (by
        `version`, or any) or a live process has sent it.

        Raises BudgetReached if the money spent leaves too little; money that is merely reserved may
        be released, so the call waits for it.
        """
        with self._writing():
            if self._asked_by(key) is not None:
                self._sweep()
            kept = self._kept(key, version)
            if kept is not None:
                return Turn(kept=kept)
            other = self._asked_by(key)
            if other is not None:
                why = f"{other} has the same call under way"
                return Turn(wait=ASKED_ELSEWHERE, why=why, elsewhere=True)
            now = self.ticks()
            at_once, until = self._endpoint(endpoint, limits)
            if until > now:
                return Turn(wait=until - now, why=f"{endpoint} asked for it", closed=True)
            wait, why = self._room(endpoint, limits, tokens, at_once, now)
            if wait <= 0:
                wait, why = self._afford(stage, caps, usd), "money is reserved that may come free"
            if wait > 0:
                return Turn(wait=wait, why=why)
            self._stay()
            cursor = self.db.execute(
                "INSERT INTO attempts (key, lane, stage, owner, tick, started, state, tokens, usd) "
                "VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?)",
                (key, endpoint, stage, self.owner, now, time.time(), tokens, usd),
            )
            self._spend(stage, usd)
            return Turn(cursor.lastrowid)

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
        """Record an attempt without an answer; `usd` None: it cost what was reserved.

        A `limited` one closes the endpoint for `wait` seconds and lowers its concurrency, once for
        all calls that were in flight together.
        """
        with self._writing():
            _, endpoint, begun = self._end(attempt, kind, None, used or {}, usd, words, raw)
            if kind == "limited":
                now = self.ticks()
                self.db.execute(
                    "UPDATE lanes SET closed_until = MAX(closed_until, ?) WHERE lane = ?",
                    (now + min(wait, CLOSED), endpoint),
                )
                self.db.execute(
                    "UPDATE lanes SET at_once = MAX(1, CAST(at_once * ? AS INTEGER)), changed = ?, "
                    "answered = 0 WHERE lane = ? AND changed < ?",
                    (SLOWER, now, endpoint, begun),
                )

    def summary(self) -> list[tuple]:
        """Attempts by group: (stage, endpoint, version, state, number, tokens, dollars)."""
        return self.db.execute(
            "SELECT stage, lane, COALESCE(version, ''), state, COUNT(*), SUM(tokens), SUM(usd) "
            "FROM attempts GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        ).fetchall()

    def spent(self, stage: str = ALL) -> float:
        """Dollars spent or reserved."""
        row = self.db.execute("SELECT usd FROM spent WHERE stage = ?", (stage,)).fetchone()
        return row[0] if row else 0.0

    def _kept(self, key: str, version: str | None) -> Any:
        """The stored answer to a call; a bare ledger has none."""

    def _inherit(self) -> None:
        """Take over the answers that a dead process left; a bare ledger has none."""

    def _asked_by(self, key: str) -> Owner | None:
        """The process that has sent a call, if it is in flight."""
        row = self.db.execute(
            "SELECT host, boot, space, pid, born FROM attempts JOIN owners ON owners.id = owner "
            "WHERE key = ? AND state = 'open'",
            (key,),
        ).fetchone()
        return Owner(*row) if row else None

    def _endpoint(self, endpoint: str, limits: Limits) -> tuple[int, float]:
        row = self.db.execute(
            "SELECT at_once, closed_until FROM lanes WHERE lane = ?", (endpoint,)
        ).fetchone()
        if row is None:
            self.db.execute(
                "INSERT INTO lanes (lane, at_once, changed, answered, closed_until) "
                "VALUES (?, ?, 0, 0, 0)",
                (endpoint, limits.at_once),
            )
            return limits.at_once, 0.0
        until = row[1] if row[1] <= self.ticks() + CLOSED else 0.0  # else of another clock
        return min(row[0], limits.at_once), until

    def _room(
        self, endpoint: str, limits: Limits, tokens: float, at_once: int, now: float
    ) -> tuple[float, str]:
        """Seconds until another call may fit, 0 if it does now; and which limit is reached."""
        (under_way,) = self.db.execute(
            "SELECT COUNT(*) FROM attempts WHERE lane = ? AND state = 'open'", (endpoint,)
        ).fetchone()
        if under_way >= at_once:
            self._sweep()
            return POLL, f"as many calls of {endpoint} are under way as it bears"
        if limits.rpm is None and limits.tpm is None:
            return 0.0, ""
        recent = self.db.execute(
            "SELECT tick, tokens FROM attempts WHERE lane = ? AND tick > ? AND tick <= ? "
            "AND id >= ? ORDER BY tick",
            (endpoint, now - MINUTE, now, self.first),
        ).fetchall()
        over = len(recent) - (limits.rpm or float("inf")) + 1
        wait = 0.0
        if over > 0 and recent:
            wait = recent[min(int(-(-over // 1)), len(recent)) - 1][0] + MINUTE - now
        if limits.tpm is not None and recent:
            left = sum(row[1] for row in recent) + tokens - limits.tpm
            for begun, count in recent:
                if left <= 0:
                    break
                left -= count
                wait = max(wait, begun + MINUTE - now)
        return max(wait, 0.0), "this minute's limit is reached"

    def _afford(self, stage: str, caps: Mapping[str, float], usd: float) -> float:
        for name in (stage, ALL):
            if not usd or name not in caps:
                continue
            where, values = ("", ()) if name == ALL else ("AND stage = ?", (stage,))
            (reserved,) = self.db.execute(
                f"SELECT COALESCE(SUM(usd), 0) FROM attempts WHERE state = 'open' {where}", values
            ).fetchone()
            total = self.spent(name)
            if total + usd > caps[name] + TINY:
                if total - reserved + usd <= caps[name] + TINY:
                    self._sweep()
                    return POLL
                whose = "max_usd" if name == ALL else f"max_usd of {name}"
                raise BudgetReached(
                    f"{whose} is reached: {total - reserved:.2f} of {caps[name]:.2f} USD are spent "
                    f"and another call may cost {usd:.4f}. What was answered is kept in "
                    f"{self.path}: raise max_usd and run the same command again."
                )
        return 0.0

    def _widen(self, endpoint: str, version: str, most: int) -> str | None:
        """Count an answer: after as many answers as the concurrency, that rises by one, up to
        `most`. Returns the version that answered before, if it was another one."""
        (at_once, answered, before) = self.db.execute(
            "SELECT at_once, answered, version FROM lanes WHERE lane = ?", (endpoint,)
        ).fetchone()
        more = answered + 1 >= at_once and at_once < most
        self.db.execute(
            "UPDATE lanes SET at_once = ?, answered = ?, version = ? WHERE lane = ?",
            (at_once + more, 0 if more else answered + 1, version, endpoint),
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
        key, endpoint, stage, begun, reserved, tokens = self.db.execute(
            "SELECT key, lane, stage, tick, usd, tokens FROM attempts WHERE id = ?", (attempt,)
        ).fetchone()
        usd = reserved if usd is None else usd
        real = sum(used.get(unit, 0.0) for unit in prices.TOKENS) or tokens
        self.db.execute(
            "UPDATE attempts SET state = ?, ended = ?, version = ?, used = ?, tokens = ?, usd = ?, "
            "words = ?, raw = ? WHERE id = ?",
            (state, time.time(), version, json.dumps(used), real, usd, words, raw, attempt),
        )
        self._spend(stage, usd - reserved)
        return key, endpoint, begun

    def _spend(self, stage: str, usd: float) -> None:
        for name in dict.fromkeys((stage, ALL)):
            self.db.execute(
                "INSERT INTO spent (stage, usd) VALUES (?, ?) "
                "ON CONFLICT DO UPDATE SET usd = usd + ?",
                (name, usd, usd),
            )

    def _sweep(self) -> None:
        """Close the attempts of dead processes, and delete those processes."""
        died = 0
        for number, other, silent in self._under_way():
            if not processes.lives(other, self.mine, silent):
                self._lose(number, "its process died")
                self.db.execute("DELETE FROM owners WHERE id = ?", (number,))
                died += 1
        if died:
            self._inherit()

    def _lose(self, owner: int, words: str) -> None:
        self.db.execute(
            "UPDATE attempts SET state = 'lost', ended = ?, words = ? "
            "WHERE state = 'open' AND owner = ?",
            (time.time(), words, owner),
        )

    def _stay(self) -> None:
        """Register this process again if another one took it for dead."""
        if not self.db.execute("SELECT 1 FROM owners WHERE id = ?", (self.owner,)).fetchone():
            self._beat()

    def _under_way(self) -> list[tuple[int, Owner, float]]:
        """Processes with calls in flight: number, process and seconds since the last heartbeat."""
        rows = self.db.execute(
            "SELECT id, host, boot, space, pid, born, tick, seen FROM owners WHERE id IN "
            "(SELECT DISTINCT owner FROM attempts WHERE state = 'open')"
        ).fetchall()
        found = []
        for number, *row, tick, seen in rows:
            other = Owner(*row)
            here = other.boot == self.mine.boot
            found.append((number, other, self.ticks() - tick if here else time.time() - seen))
        return found

    def _beat(self) -> None:
        mine = self.mine
        self.db.execute(
            "INSERT OR REPLACE INTO owners (id, host, boot, space, pid, born, tick, seen) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(self.owner, mine.host, mine.boot, mine.space, mine.pid, mine.born),
                *(self.ticks(), time.time()),
            ),
        )

    def _prepare(self) -> None:
        store_schema.prepare(self.db, self.path)
        self._refuse_hosts()
        self._know_machine()
        self._sweep()
        self._beat()

    def _refuse_hosts(self) -> None:
        """Raise UserError while another host has calls in flight: a store has one host."""
        for _, other, silent in self._under_way():
            if processes.elsewhere(other, self.mine) and processes.lives(other, self.mine, silent):
                raise UserError(
                    f"the store {self.path} is in use by the host {other.host}, whose last sign of "
                    f"life is {max(silent, 0):.0f} s old; services are asked from one host only. "
                    f"Run there, or {processes.LEASE:.0f} s after its end, or set services.store "
                    "to another file."
                )

    def _know_machine(self) -> None:
        """Discard times of another machine's clock, or of this one's before a reboot; attempts from
        `first` on are on the current clock."""
        row = self.db.execute("SELECT boot, first FROM machine").fetchone()
        if row is None or row[0] != self.mine.boot:
            (last,) = self.db.execute("SELECT COALESCE(MAX(id), 0) FROM attempts").fetchone()
            row = (self.mine.boot, last + 1)
            self.db.execute("DELETE FROM machine")
            self.db.execute("INSERT INTO machine (boot, first) VALUES (?, ?)", row)
            self.db.execute("UPDATE lanes SET closed_until = 0, changed = 0")
        self.first = row[1]

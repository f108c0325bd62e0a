"""The ledger of calls to services: who may send the next one, what it may cost, what it did cost.

One SQLite file that all jobs of a host share: a row for each attempt; the money that is reserved
and spent; and, for each lane (a model at an address), how many attempts may be under way at once.
WAL: a process that is killed loses nothing that it had written.

`tick` and the times of lanes are of the machine's clock that nobody can set
(scripts/services/processes.py), all others seconds since 1970. An attempt is `open` until it ends;
as long as its process lives, nobody else sends the same call. One whose process died is `lost` and
counts what was reserved for it as spent, as the service may well have charged it.
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
SLOWER = 0.8  # the share of the calls under way that is left after the service had too many
TINY = 1e-9  # dollars, for the rounding of sums
POLL = 0.02  # seconds until a full lane is looked at again
ASKED_ELSEWHERE = 0.25  # seconds until a call that another process has under way is looked at again
CLOSED = 3600.0  # seconds for which a lane is closed at most; then the service is asked again


class BudgetReached(UserError):
    """Another call would cost more than what is left of `max_usd`."""


class Turn(NamedTuple):
    """What came of asking for a place: an attempt that may be sent; an answer that came meanwhile;
    or how many seconds to wait, and why."""

    attempt: int | None = None
    wait: float = 0.0
    why: str = ""
    elsewhere: bool = False  # it is this call that is waited for, not the lane
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
        """Leave a sign of life: the lease on what this process has under way goes on."""
        with self._writing():
            self._beat()

    def start(self) -> None:
        """Begin to ask: nothing of this process is under way. What it could not write down before,
        as the store was locked, is put right."""
        with self._writing():
            self._lose(self.owner, "its end could not be written")
            self._inherit()
            self._beat()

    def begin(
        self,
        key: str,
        lane: str,
        stage: str,
        limits: Limits,
        caps: Mapping[str, float],
        usd: float,
        tokens: float,
        version: str | None = None,
    ) -> Turn:
        """Reserve a place in the lane and the money, unless the call was answered meanwhile (by
        `version`, or any) or a process that lives has it under way.

        Raises BudgetReached if what is spent leaves too little for it; what is only reserved may
        yet come free, so for that it waits.
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
            at_once, until = self._lane(lane, limits)
            if until > now:
                return Turn(wait=until - now, why=f"{lane} asked for it", closed=True)
            wait, why = self._room(lane, limits, tokens, at_once, now)
            if wait <= 0:
                wait, why = self._afford(stage, caps, usd), "money is reserved that may come free"
            if wait > 0:
                return Turn(wait=wait, why=why)
            self._stay()
            cursor = self.db.execute(
                "INSERT INTO attempts (key, lane, stage, owner, tick, started, state, tokens, usd) "
                "VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?)",
                (key, lane, stage, self.owner, now, time.time(), tokens, usd),
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
        """Write down an attempt without an answer; `usd` None: it took what was reserved for it.

        If it was `limited`, the lane is closed for `wait` seconds and narrowed: once for all calls
        that were under way together.
        """
        with self._writing():
            _, lane, begun = self._end(attempt, kind, None, used or {}, usd, words, raw)
            if kind == "limited":
                now = self.ticks()
                self.db.execute(
                    "UPDATE lanes SET closed_until = MAX(closed_until, ?) WHERE lane = ?",
                    (now + min(wait, CLOSED), lane),
                )
                self.db.execute(
                    "UPDATE lanes SET at_once = MAX(1, CAST(at_once * ? AS INTEGER)), changed = ?, "
                    "answered = 0 WHERE lane = ? AND changed < ?",
                    (SLOWER, now, lane, begun),
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

    def _kept(self, key: str, version: str | None) -> Any:
        """The answer to a call; the ledger alone has none."""

    def _inherit(self) -> None:
        """Take over what a process that died has left; the ledger alone knows of nothing."""

    def _asked_by(self, key: str) -> Owner | None:
        """The process that has a call under way."""
        row = self.db.execute(
            "SELECT host, boot, space, pid, born FROM attempts JOIN owners ON owners.id = owner "
            "WHERE key = ? AND state = 'open'",
            (key,),
        ).fetchone()
        return Owner(*row) if row else None

    def _lane(self, lane: str, limits: Limits) -> tuple[int, float]:
        row = self.db.execute(
            "SELECT at_once, closed_until FROM lanes WHERE lane = ?", (lane,)
        ).fetchone()
        if row is None:
            self.db.execute(
                "INSERT INTO lanes (lane, at_once, changed, answered, closed_until) "
                "VALUES (?, ?, 0, 0, 0)",
                (lane, limits.at_once),
            )
            return limits.at_once, 0.0
        until = row[1] if row[1] <= self.ticks() + CLOSED else 0.0  # else of another clock
        return min(row[0], limits.at_once), until

    def _room(
        self, lane: str, limits: Limits, tokens: float, at_once: int, now: float
    ) -> tuple[float, str]:
        """Seconds until there may be room for another call, 0 if there is; and what is full."""
        (under_way,) = self.db.execute(
            "SELECT COUNT(*) FROM attempts WHERE lane = ? AND state = 'open'", (lane,)
        ).fetchone()
        if under_way >= at_once:
            self._sweep()
            return POLL, f"as many calls of {lane} are under way as it bears"
        if limits.rpm is None and limits.tpm is None:
            return 0.0, ""
        recent = self.db.execute(
            "SELECT tick, tokens FROM attempts WHERE lane = ? AND tick > ? AND tick <= ? "
            "AND id >= ? ORDER BY tick",
            (lane, now - MINUTE, now, self.first),
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
            whole = self.spent(name)
            if whole + usd > caps[name] + TINY:
                if whole - reserved + usd <= caps[name] + TINY:
                    self._sweep()
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
        key, lane, stage, begun, reserved, tokens = self.db.execute(
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
        return key, lane, begun

    def _spend(self, stage: str, usd: float) -> None:
        for name in dict.fromkeys((stage, ALL)):
            self.db.execute(
                "INSERT INTO spent (stage, usd) VALUES (?, ?) "
                "ON CONFLICT DO UPDATE SET usd = usd + ?",
                (name, usd, usd),
            )

    def _sweep(self) -> None:
        """End the attempts of processes that are no more, and forget those."""
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
        """Be known again, should others have taken this process for dead."""
        if not self.db.execute("SELECT 1 FROM owners WHERE id = ?", (self.owner,)).fetchone():
            self._beat()

    def _under_way(self) -> list[tuple[int, Owner, float]]:
        """The processes that have calls under way: their numbers, and the seconds since their last
        signs of life."""
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
        """One host owns the store: raise UserError while another one's calls are under way."""
        for _, other, silent in self._under_way():
            if processes.elsewhere(other, self.mine) and processes.lives(other, self.mine, silent):
                raise UserError(
                    f"the store {self.path} is in use by the host {other.host}, whose last sign of "
                    f"life is {max(silent, 0):.0f} s old; services are asked from one host only. "
                    f"Run there, or {processes.LEASE:.0f} s after its end, or set services.store "
                    "to another file."
                )

    def _know_machine(self) -> None:
        """Forget the times of another machine, or of this one before it was started anew, whose
        clock was another one; attempts from `first` on are of this clock."""
        row = self.db.execute("SELECT boot, first FROM machine").fetchone()
        if row is None or row[0] != self.mine.boot:
            (last,) = self.db.execute("SELECT COALESCE(MAX(id), 0) FROM attempts").fetchone()
            row = (self.mine.boot, last + 1)
            self.db.execute("DELETE FROM machine")
            self.db.execute("INSERT INTO machine (boot, first) VALUES (?, ?)", row)
            self.db.execute("UPDATE lanes SET closed_until = 0, changed = 0")
        self.first = row[1]

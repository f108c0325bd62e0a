"""Compares the service's own record with the store and the ledger after the run.

Bought twice: a good answer was sent completely to a process that was alive to read it, and the same
call was answered again. One case is unavoidable and allowed: the process was killed, or told to
end, within GRACE seconds of the answer, before it had recorded it; the ledger then has a `lost`
attempt at this call, whose reserved cost counts as spent. Every other answer must be in the store.

The ledger may never show less than the service charged. It shows more only where the service did
not report its usage: by at most the reserved cost of the attempts that were lost, broke off, or
were answered without a usage report.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.disturber import Disturber, answers
from tests.chaos.plan import SILENT, USELESS
from tests.chaos.service import Entry

GRACE = 2.0  # seconds: a busy machine gives a process no time to read for as long
MARK = re.compile(r"\(([0-9a-f]{16})\)")
TINY = 1e-6  # dollars
TOLD = ("answered", "cut", "refused", "unusable")  # states of attempts whose reply had a usage


@dataclass(frozen=True)
class Attempt:
    """A row of the ledger; `mark` is the service's name for the call."""

    mark: str
    state: str
    usd: float
    started: float


class Books:
    """From a finished disturber."""

    def __init__(self, done: Disturber, since: float, until: float):
        self.done, self.since, self.until = done, since, until  # seconds since 1970
        self.entries = done.service.books
        self.kept = answers(done.store)
        marks = {key: MARK.search(value)[1] for _, key, _, value, *_ in self.kept}
        self.stored = Counter(marks.values())
        db = sqlite3.connect(done.store)
        rows = db.execute("SELECT key, state, usd, started FROM attempts").fetchall()
        self.attempts = [Attempt(marks.get(key, ""), *row) for key, *row in rows]
        (self.spent,) = db.execute("SELECT usd FROM spent WHERE stage = 'all'").fetchone()
        self.stages = db.execute("SELECT SUM(usd) FROM spent WHERE stage <> 'all'").fetchone()[0]
        db.close()
        self.gaps: list[float] = []
        self.forgiven = list(self.forgive())

    def forgive(self) -> Iterator[Entry]:
        """Answers whose reader was killed before it could record them."""
        lost = Counter(attempt.mark for attempt in self.attempts if attempt.state == "lost")
        spare = self.answered() - self.stored
        for entry in self.entries:  # the earlier answer is the one that was not kept
            killed = self.done.killed.get(entry.asker, float("inf"))
            if entry.end != "answered" or not spare[entry.mark] or not lost[entry.mark]:
                continue
            if killed - entry.ended < GRACE:
                self.gaps.append(killed - entry.ended)
                spare[entry.mark] -= 1
                lost[entry.mark] -= 1
                yield entry

    def answered(self) -> Counter[str]:
        return Counter(entry.mark for entry in self.entries if entry.end == "answered")

    def faults(self) -> list[str]:
        """Everything that is wrong, one sentence each."""
        return [*self.done.service.wrong, *self.of_answers(), *self.of_money(), *self.of_clock()]

    def of_answers(self) -> Iterator[str]:
        wanted = self.done.service.wanted
        sent = self.answered() - Counter(entry.mark for entry in self.forgiven)
        for mark in sorted(sent.keys() | wanted.keys() | self.stored.keys()):
            counts = (sent[mark], self.stored[mark], wanted[mark])
            if len(set(counts)) > 1:
                yield "{}: answered {} times, kept {}, to be asked {}".format(mark, *counts)
                yield from self.history(mark)
        gone = self.done.kept - self.kept
        if gone:
            yield f"answers were in the store and are no more, or were written again: {gone}"
        states = Counter(attempt.state for attempt in self.attempts)
        if states["open"] or states["answered"] != self.done.plan.calls:
            yield f"the ledger's attempts are {states}"

    def history(self, mark: str) -> Iterator[str]:
        """The service's and the ledger's records of a call."""
        for entry in self.entries:
            if entry.mark == mark:
                yield f"    {entry}, killed at {self.done.killed.get(entry.asker)}"
        yield from (f"    {attempt}" for attempt in self.attempts if attempt.mark == mark)

    def of_money(self) -> Iterator[str]:
        booked = sum(attempt.usd for attempt in self.attempts)
        if abs(booked - self.spent) > TINY or abs(booked - self.stages) > TINY:
            yield f"spent are {self.spent} USD, by stage {self.stages}, of attempts {booked}"
        for mark in self.stored:
            yield from self.of_call(mark)

    def of_call(self, mark: str) -> Iterator[str]:
        """The amounts charged and booked for one call."""
        entries = [entry for entry in self.entries if entry.mark == mark]
        said = [e.usd for e in entries if e.fault is None or e.fault in USELESS]
        silent = any(entry.fault in SILENT for entry in entries)
        charged, booked, unsure = sum(entry.usd for entry in entries), 0.0, 0.0
        for attempt in self.attempts:
            if attempt.mark != mark:
                continue
            booked += attempt.usd
            if silent or attempt.state not in TOLD:
                unsure += attempt.usd
            elif not any(abs(usd - attempt.usd) < TINY for usd in said):
                yield f"{attempt} is not what the service charged: {said}"
        if not charged - TINY <= booked <= charged + unsure + TINY:
            yield f"{mark}: booked are {booked} USD, charged {charged}, unsure {unsure}"
            yield from self.history(mark)

    def of_clock(self) -> Iterator[str]:
        """The jobs saw the shifted clock."""
        plan = self.done.plan
        offs = [plan.clock, *(e.value for e in plan.events if e.what == "clock")]
        for attempt in self.attempts:
            if not any(self.since - 1 < attempt.started - off < self.until + 1 for off in offs):
                yield f"{attempt} is not of a clock that was set off by {offs}"

    def summary(self) -> str:
        """A one-line summary of the seed."""
        ends = Counter(entry.end for entry in self.entries)
        lost = sum(attempt.state == "lost" for attempt in self.attempts)
        charged = sum(entry.usd for entry in self.entries)
        gaps = " and ".join(f"{max(gap, 0):.2f}" for gap in self.gaps)
        killed = f" ({len(self.gaps)} to a process killed {gaps} s later)" if gaps else ""
        return (
            f"seed {self.done.plan.seed}: {len(self.entries)} requests, {ends['answered']} "
            f"answered{killed}, {lost} attempts lost; "
            f"{charged:.2f} USD charged, {self.spent:.2f} booked; starts "
            f"{[run.starts for run in self.done.runs]}, {self.until - self.since:.0f} s"
        )

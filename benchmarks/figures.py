"""Shared by all benchmarks: best-of-n timing, one line per figure, the exit status.

    name   ours   peer   ratio   target   met | missed

Both sides are measured in the same run. `ratio` is ours / peer: low is good for seconds, high for
throughput. A figure without a target is only printed.
"""

from __future__ import annotations

import csv
import operator
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts.rows.jsonl import read_all

COMPARED = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, "==": operator.eq}


@dataclass(frozen=True)
class Figure:
    """A measured figure, in the unit given in its name.

    `target` is "ours" or "ratio", a comparison, and a number or "peer", e.g. "ratio <= 1.05".
    """

    name: str
    ours: float
    peer: float | None = None  # the other side of the comparison, if there is one
    target: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.peer if self.peer else None

    @property
    def met(self) -> bool:
        """Whether the target is met; always true without a target."""
        if not self.target:
            return True
        what, sign, bound = self.target.split()
        value = {"ours": self.ours, "ratio": self.ratio}[what]
        return COMPARED[sign](value, self.peer if bound == "peer" else float(bound))

    def __str__(self) -> str:
        numbers = [_number(value) for value in (self.ours, self.peer, self.ratio)]
        verdict = ("met" if self.met else "missed") if self.target else ""
        return _line(self.name, *numbers, self.target, verdict)


def show(figures: Iterable[Figure]) -> int:
    """Print each figure as it comes; returns the exit status, 1 if a target is missed, else 0."""
    print(_line("", "ours", "peer", "ratio", "target", ""), flush=True)
    status = 0
    for figure in figures:
        print(figure, flush=True)
        status |= not figure.met
    return int(status)


def best(
    works: Iterable[Callable[[], object]],
    rounds: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """The shortest time (s) of each function; they run in turns because the machine is shared.

    Use time.process_time as `clock` for CPU seconds.
    """
    works = list(works)
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, taken in zip(works, times, strict=True):
            begun = clock()
            work()
            taken.append(clock() - begun)
    return [min(taken) for taken in times]


def rows(home: Path, pattern: str, kind: type) -> list:
    """The rows of all files of the run in `home` that match the pattern below results/."""
    return read_all(sorted((home / "results").glob(pattern)), kind)


def job_records(home: Path) -> list[tuple[str, dict[str, str]]]:
    """Each job of the run in `home`: its rule and Snakemake's measurements (logs/<rule>/*.tsv)."""
    found = []
    for path in sorted((home / "logs").rglob("*.tsv")):
        with path.open() as file:
            rule = path.relative_to(home / "logs").parts[0].removesuffix(".tsv")
            found += [(rule, row) for row in csv.DictReader(file, delimiter="\t")]
    return found


def peak_gb(records: list[tuple[str, dict[str, str]]]) -> float:
    """The highest peak memory of any job in GB."""
    told = [row["max_rss"] for _, row in records if row["max_rss"] not in ("-", "NA")]
    return max(map(float, told), default=0.0) / 1024


def _line(name: str, ours: str, peer: str, ratio: str, target: str, verdict: str) -> str:
    return f"{name:<48}{ours:>10}{peer:>10}{ratio:>9}   {target:<16}{verdict}".rstrip()


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1e}" if 0 < abs(value) < 0.001 else f"{value:.3f}"

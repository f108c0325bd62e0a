"""Table 2 at the paper's size, versus a plain loop (`python -m benchmarks.statistics`).

392 items, 8 metrics, 8 systems: 25,088 synthetic score pairs. Time and memory of the whole table
(reading, checking, 10,000 resamples of roles, writing), and time of the resampling alone for one
system, versus plain Python (100 resamples, times 100).
"""

from __future__ import annotations

import random
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.figures import Figure, show
from scripts.paper.report.published import PAPER_METRICS, read_published
from scripts.paper.report.statistics import DRAWS, cluster_totals, resampled_means
from scripts.paper.table2 import table2

PUBLISHED = Path(__file__).resolve().parents[1] / "config" / "published"
SYSTEMS = 8
LOOPS = 100


def figures() -> Iterator[Figure]:
    draw = random.Random(0)
    roles = [row["role"] for row in read_published(PUBLISHED / "roles.tsv")]
    with TemporaryDirectory() as folder:
        scores = Path(folder) / "scores.csv"
        scores.write_text("\n".join(lines(roles, draw)) + "\n", encoding="utf-8")
        begun = time.perf_counter()
        table2(
            PUBLISHED / "table2.tsv",
            [],
            [scores],
            PUBLISHED / "roles.tsv",
            [],
            [],
            *(Path(folder) / f"table2.{kind}" for kind in ("csv", "md", "tex")),
            systems={},
            roles=[],
            max_missing=0,
            warnings=[],
            expected={"systems": [], "judges": [], "metrics": []},
            ablations={},
        )
        whole = time.perf_counter() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    yield Figure("table 2 of the paper's size (s)", whole, target="ours < 20")
    yield Figure("its memory (GB)", memory, target="ours < 1")

    values = np.random.default_rng(0).uniform(0.2, 1.5, (len(roles) * 4, len(PAPER_METRICS)))
    clusters = [role for role in roles for _ in range(4)]
    begun = time.perf_counter()
    resampled_means(*cluster_totals(clusters, values))
    fast = time.perf_counter() - begun
    begun = time.perf_counter()
    plain(clusters, values.tolist(), draw)
    slow = (time.perf_counter() - begun) * DRAWS / LOOPS
    yield Figure("resamples a second, plain loop", DRAWS / fast, DRAWS / slow)


def lines(roles: list[str], draw: random.Random) -> list[str]:
    """The lines of a synthetic CSV."""
    return ["system,role,mode,idx,metric,score_test,score_ref"] + [
        f"system {system},{role},{mode},{idx},{metric},{draw.randint(1, 10)},{draw.randint(5, 10)}"
        for system in range(SYSTEMS)
        for role in roles
        for mode in ("single", "multi")
        for idx in (0, 1)
        for metric in PAPER_METRICS
    ]


def plain(clusters: list[str], values: list[list[float]], draw: random.Random) -> list[list[float]]:
    """`LOOPS` resamples in a straightforward loop."""
    of_role: dict[str, list[list[float]]] = {}
    for role, row in zip(clusters, values, strict=True):
        of_role.setdefault(role, []).append(row)
    names = list(of_role)
    means = []
    for _ in range(LOOPS):
        rows = [row for role in draw.choices(names, k=len(names)) for row in of_role[role]]
        means.append([sum(column) / len(rows) for column in zip(*rows, strict=True)])
    return means


if __name__ == "__main__":
    sys.exit(show(figures()))

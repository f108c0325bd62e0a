"""DNSMOS versus the speechmos package, in CPU seconds (`python -m benchmarks.quality`).

The clips are those of benchmarks/models/quality.py. Unlike ours, the package also computes a mel
spectrogram and a second score (P.808) for every window; everything else is equal.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict

from benchmarks.figures import Figure, best, show
from benchmarks.models.quality import cases
from scripts.common.paths import ROOT


def figures() -> Iterator[Figure]:
    os.environ.setdefault("SPEECHROLE_WEIGHTS", str(ROOT / "weights"))
    (case,) = cases()
    ours, peer = best([case.ours, case.simplest], rounds=2, clock=time.process_time)
    rates = case.items / ours, case.items / peer
    yield Figure("clips a CPU second, speechmos", *rates, "ratio >= 1.1")
    pairs = zip(case.ours(), case.simplest(), strict=True)
    apart = max(
        abs(rating - b[f"{key}_mos"]) for a, b in pairs for key, rating in asdict(a).items()
    )
    yield Figure("largest difference of a score", apart, target="ours <= 1e-6")


if __name__ == "__main__":
    sys.exit(show(figures()))

"""Prints items a second and real-time factor of both sides: `python -m benchmarks.models [NAME]`.

Each side runs ROUNDS times in turns and its best time counts. Ends with 1 if ours is slower than
the package's simplest loop by more than the noise of a shared machine.
"""

from __future__ import annotations

import importlib
import logging
import os
import pkgutil
import sys
import tempfile
import time

import benchmarks.models

ROUNDS = 3
NOISE = 0.9  # of the simplest loop's speed


def best(works) -> list[float]:
    """The shortest time of each of some functions, run in turns."""
    times = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, taken in zip(works, times, strict=True):
            begun = time.perf_counter()
            work()
            taken.append(time.perf_counter() - begun)
    return [min(taken) for taken in times]


def main() -> int:
    names = sys.argv[1:] or [m.name for m in pkgutil.iter_modules(benchmarks.models.__path__)]
    slower = []
    logging.disable(logging.INFO)  # some packages tell of every sentence
    print(f"{'backend':32} {'items/s':>9} {'simplest':>9} {'ratio':>6} {'RTF':>7} {'simplest':>9}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("SPEECHROLE_WEIGHTS", folder)
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        for name in sorted(set(names) - {"__main__"}):
            for case in importlib.import_module(f"benchmarks.models.{name}").cases():
                ours, simplest = best([case.ours, case.simplest])
                factors = (
                    ["-", "-"]
                    if case.seconds is None
                    else [f"{taken / case.seconds:.3f}" for taken in (ours, simplest)]
                )
                ratio = simplest / ours
                met = "met" if ratio >= NOISE else "missed"
                slower += [case.name] if met == "missed" else []
                print(
                    f"{case.name:32} {case.items / ours:9.1f} {case.items / simplest:9.1f} "
                    f"{ratio:6.2f} {factors[0]:>7} {factors[1]:>9}  {met}",
                    flush=True,
                )
    return bool(slower)


if __name__ == "__main__":
    sys.exit(main())

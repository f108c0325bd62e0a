"""Items per second and real-time factor of both sides: `python -m benchmarks.models [NAME ...]`.

The two sides run in turns and their best times count. The target is missed if ours is slower than
the package's simplest loop by more than the timing noise of a shared machine.
"""

from __future__ import annotations

import importlib
import logging
import os
import pkgutil
import sys
import tempfile
from collections.abc import Iterator

import benchmarks.models
from benchmarks.figures import Figure, best, show

NOISE = 0.9  # fraction of the simplest loop's speed


def figures(names: list[str]) -> Iterator[Figure]:
    logging.disable(logging.INFO)  # some packages log every sentence
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("SPEECHROLE_WEIGHTS", folder)
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        for name in names:
            for case in importlib.import_module(f"benchmarks.models.{name}").cases():
                ours, simplest = best([case.ours, case.simplest])
                speeds = case.items / ours, case.items / simplest
                yield Figure(f"{case.name}, items a second", *speeds, f"ratio >= {NOISE}")
                if case.seconds is not None:
                    factors = ours / case.seconds, simplest / case.seconds
                    yield Figure(f"{case.name}, real-time factor", *factors)


if __name__ == "__main__":
    every = [module.name for module in pkgutil.iter_modules(benchmarks.models.__path__)]
    sys.exit(show(figures(sorted(set(sys.argv[1:] or every) - {"__main__"}))))

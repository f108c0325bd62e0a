"""Runs all benchmarks, or the named ones, one after another: `python -m benchmarks [NAME ...]`.

Each runs in its own process. A failure does not stop the others; the exit status is 1 if one failed
or missed a target.
"""

from __future__ import annotations

import subprocess
import sys

SUBJECTS = (
    "extraction",
    "clips",
    "quality",
    "voices",
    "deduplication",
    "statistics",
    "duplex_turns",
    "duplex_scoring",
    "services",
    "rerun",
    "pipeline",
    "demo",
    "duplex_run",
)


def main(names: list[str]) -> int:
    """Run `names`, or all; returns 1 if one failed, else 0."""
    failed = []
    for name in names or SUBJECTS:
        print(f"\n{name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode:
            failed.append(name)
    print(f"\nmissed: {', '.join(failed)}" if failed else "\nall targets are met")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

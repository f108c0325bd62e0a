"""Reports download size and estimated time of `make quick` or `make demo` before it starts.

`python -m scripts.setup.ahead demo` prints it. It uses only the standard library: there may be no
environment yet. The times are measured core-seconds; a target's jobs keep `BUSY` cores busy.
"""

import csv
import os
import sys
from pathlib import Path

from scripts.setup.machine import cpu_flags

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = 900  # MB that pip downloads; 3.1 GB on the disk
MEDIA = {"quick": 1, "demo": 65}  # MB: the game, its music, the call
SMALL = ("campplus", "dnsmos", "pyannote-segmentation", "whisper-base")  # of make quick
FAST = "avx512_vnni"  # vector integer multiplication, which speeds up the language models here
SECONDS = {"quick": (100, 100), "demo": (2040, 3200)}  # core-seconds, with FAST and without
BUSY = 2


def missing(target, weights):
    """Size in MB of the target's models that are missing from the folder `weights`."""
    with open(ROOT / "config" / "weights.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return sum(
        int(row["bytes"])
        for row in rows
        if target == "demo" or row["model"] in SMALL
        if not (weights / row["model"] / row["file"]).exists()
    ) / 1e6  # fmt: skip


def report(target, models, environment, flags, cores):
    """The report: `models` is MB to download, `environment` whether the environment exists."""
    parts = [] if environment else [f"the environment ({ENVIRONMENT} MB, 3 GB on the disk)"]
    parts += [f"models ({models:,.0f} MB)"] if models else []
    parts += [f"media (at most {MEDIA[target]} MB)"]
    slow = flags is not None and FAST not in flags
    minutes = max(1, round(SECONDS[target][slow] / min(cores, BUSY) / 60))
    kind = "without AVX-512 VNNI, so that language models are slow" if slow else "with AVX-512 VNNI"
    number = "1 core" if cores == 1 else f"{cores} cores"
    return (
        f"make {target}: downloads what is missing of {', '.join(parts)}. Then it takes about "
        f"{minutes} minute{'s' * (minutes > 1)} on this CPU ({number}, {kind})."
    )


if __name__ == "__main__":
    place = Path(os.environ.get("SPEECHROLE_WEIGHTS") or ROOT / "weights")
    done = (ROOT / ".venv" / ".core").exists()
    cores = len(os.sched_getaffinity(0))
    print(report(sys.argv[1], missing(sys.argv[1], place), done, cpu_flags(), cores), flush=True)

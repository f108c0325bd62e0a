"""Speed and memory of `snakemake duplex` in this folder (`python -m benchmarks.duplex_run`).

Needs a finished run. The jobs' times and memory are those that Snakemake measured (logs/*/*.tsv).
Where both cores are always busy, the run takes half of its CPU time.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, job_records, peak_gb, show
from scripts.common.paths import ROOT

HERE = Path()


def duplex_rules() -> set[str]:
    """The names of all rules of the phase."""
    texts = [file.read_text("utf-8") for file in (ROOT / "rules").glob("duplex*.smk")]
    return {name for text in texts for name in re.findall(r"^rule (\w+):", text, re.MULTILINE)}


def figures() -> Iterator[Figure]:
    if not (HERE / "results/paper/duplex_table2.csv").exists():
        print("There is no finished run here: `snakemake duplex` makes one.")
        return
    names = duplex_rules()
    jobs = [(rule, row) for rule, row in job_records(HERE) if rule in names]
    by_rule: dict[str, float] = defaultdict(float)
    for rule, row in jobs:
        by_rule[rule] += float(row["cpu_time"])
    for rule, seconds in sorted(by_rule.items(), key=lambda item: -item[1]):
        yield Figure(f"{rule} (CPU s)", seconds)
    yield Figure("half of the CPU time (minutes)", sum(by_rule.values()) / 120, target="ours <= 8")
    yield Figure("peak memory of a job (GB)", peak_gb(jobs), target="ours < 4")


if __name__ == "__main__":
    sys.exit(show(figures()))

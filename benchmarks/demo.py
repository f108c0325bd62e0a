"""Speed and size of the run in this folder versus the demo's targets (`python -m benchmarks.demo`).

Needs a finished run. The jobs' times and memory are those that Snakemake measured (logs/*/*.tsv);
the no-op run is timed here.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

from benchmarks.duplex_run import duplex_rules
from benchmarks.figures import Figure, job_records, peak_gb, rows, show
from scripts.rows.corpus import Medium, Recording
from scripts.rows.dialogues import Dialogue, Spoken
from scripts.rows.roles import Voice
from scripts.rows.systems import Reply

HERE = Path()
SPLITS = ("train", "out_of_domain", "test")


def figures() -> Iterator[Figure]:
    if not Path("results/paper/table2.csv").exists():
        print("There is no finished run here: `make demo` makes one.")
        return
    yield from times()
    yield from sizes()


def times() -> Iterator[Figure]:
    """Seconds and memory of the jobs, and of a no-op run."""
    jobs = [(rule, row) for rule, row in job_records(HERE) if rule not in duplex_rules()]
    by_rule: dict[str, float] = {}
    for rule, row in jobs:
        by_rule[rule] = by_rule.get(rule, 0.0) + float(row["s"])
    for rule, seconds in sorted(by_rule.items(), key=lambda item: -item[1]):
        yield Figure(f"{rule} (s)", seconds)
    total, peak = sum(by_rule.values()) / 60, peak_gb(jobs)
    begun = time.monotonic()
    again = subprocess.run(
        [str(Path(sys.executable).with_name("snakemake")), "all"], capture_output=True, text=True
    )
    idle = time.monotonic() - begun
    nothing = "Nothing to be done" in again.stdout + again.stderr
    yield Figure("sum of all jobs (minutes)", total, target="ours <= 15")
    yield Figure("peak memory of a job (GB)", peak, target="ours < 6")
    yield Figure("second run (s)", idle, target="ours < 5")
    yield Figure("it has nothing to do", float(nothing), target="ours == 1")


def sizes() -> Iterator[Figure]:
    """The amount of data in the run."""
    media = rows(HERE, "corpus/media/*.jsonl", Medium)
    game = {row.id for row in media if row.work and not row.synthetic}
    recordings = rows(HERE, "corpus/audio/*.jsonl", Recording)
    recordings = [row for row in recordings if row.id in game]
    minutes = sum(row.duration for row in recordings) / 60
    voices = rows(HERE, "roles/voices.jsonl", Voice)
    acted = sum(not voice.synthetic for voice in voices)
    chinese = sum(voice.language == "Chinese" for voice in voices)
    dialogues = [row for s in SPLITS for row in rows(HERE, f"dialogues/{s}/*.jsonl", Dialogue)]
    fewest = min(sum(row.role == voice.role for row in dialogues) for voice in voices)
    speech = [f"dialogues/speech/{split}/*.jsonl" for split in SPLITS]
    spoken = [row for pattern in speech for row in rows(HERE, pattern, Spoken)]
    lines = mean(turn.role_seconds for row in spoken for turn in row.turns)
    replies = rows(HERE, "systems/*/*.jsonl", Reply)
    answers = mean(turn.seconds for row in replies for turn in row.turns if turn.audio)
    yield Figure("game episodes", len(recordings), target="ours >= 3")
    yield Figure("minutes of game episodes", minutes, target="ours >= 3")
    yield Figure("roles with a reference voice", len(voices), target="ours >= 4")
    yield Figure("of them from the game", acted, target="ours >= 3")
    yield Figure("of them Chinese", chinese, target="ours >= 1")
    yield Figure("dialogues of the role with fewest", fewest, target="ours >= 4")
    yield Figure("mean role line (s)", lines, target="ours >= 3")
    yield Figure("mean reply (s)", answers, target="ours >= 3")


if __name__ == "__main__":
    sys.exit(show(figures()))

"""Speed and size of the run in this folder, against what the demo promises (`make bench`).

Prints a line a figure: name, measured, promise, met or missed. Exits with 1 if one is missed.
Times and memory of jobs are Snakemake's own (logs/*/*.tsv); the no-op run is timed here.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean

from scripts.common.records import Dialogue, Medium, Recording, Reply, Spoken, Voice, read_rows

RESULTS = Path("results")
SPLITS = ("train", "out_of_domain", "test")


def main() -> int:
    """Print every figure; 0 if all promises are met, else 1."""
    if not (RESULTS / "paper/table2.csv").exists():
        print("There is no finished run here: `make demo` makes one.")
        return 1
    figures = [*times(), *sizes()]
    for name, value, promise, met in figures:
        print(f"{name:<44}{value:>12.1f}   {promise:<12}{'met' if met else 'MISSED'}")
    return 0 if all(met for *_, met in figures) else 1


def times() -> list[tuple[str, float, str, bool]]:
    """Seconds and memory of the jobs, and of a run with nothing to do."""
    jobs = {path: row for path in sorted(Path("logs").rglob("*.tsv")) for row in _rows(path)}
    by_rule: dict[str, float] = {}
    for path, row in jobs.items():
        rule = path.relative_to("logs").parts[0].removesuffix(".tsv")
        by_rule[rule] = by_rule.get(rule, 0.0) + float(row["s"])
    for rule, seconds in sorted(by_rule.items(), key=lambda item: -item[1]):
        print(f"  {rule:<42}{seconds:>12.1f}   s")
    memory = [float(row["max_rss"]) for row in jobs.values() if row["max_rss"] not in ("-", "NA")]
    total, peak = sum(by_rule.values()) / 60, max(memory, default=0.0) / 1024
    begun = time.monotonic()
    again = subprocess.run(
        [str(Path(sys.executable).with_name("snakemake")), "all"], capture_output=True, text=True
    )
    idle = time.monotonic() - begun
    nothing = "Nothing to be done" in again.stdout + again.stderr
    return [
        ("sum of all jobs (minutes)", total, "<= 15", total <= 15),
        ("peak memory of a job (GB)", peak, "< 6", 0 < peak < 6),
        ("second run, nothing to do (s)", idle, "< 5", nothing and idle < 5),
    ]


def sizes() -> list[tuple[str, float, str, bool]]:
    """How much the run holds."""
    media = _all("corpus/media/*.jsonl", Medium)
    game = {row.id for row in media if row.work and not row.synthetic}
    recordings = [row for row in _all("corpus/audio/*.jsonl", Recording) if row.id in game]
    minutes = sum(row.duration for row in recordings) / 60
    voices = read_rows(RESULTS / "roles/voices.jsonl", Voice)
    acted = sum(not voice.synthetic for voice in voices)
    chinese = sum(voice.language == "Chinese" for voice in voices)
    dialogues = [row for split in SPLITS for row in _all(f"dialogues/{split}/*.jsonl", Dialogue)]
    fewest = min(sum(row.role == voice.role for row in dialogues) for voice in voices)
    spoken = [row for split in SPLITS for row in _all(f"dialogues/speech/{split}/*.jsonl", Spoken)]
    lines = mean(turn.role_seconds for row in spoken for turn in row.turns)
    replies = _all("systems/*/*.jsonl", Reply)
    answers = mean(turn.seconds for row in replies for turn in row.turns if turn.audio)
    return [
        ("game episodes", len(recordings), ">= 3", len(recordings) >= 3),
        ("minutes of game episodes", minutes, ">= 3", minutes >= 3),
        ("roles with a reference voice", len(voices), ">= 4", len(voices) >= 4),
        ("of them from the game", acted, ">= 3", acted >= 3),
        ("of them Chinese", chinese, ">= 1", chinese >= 1),
        ("dialogues of the role with fewest", fewest, ">= 7", fewest >= 7),
        ("mean role line (s)", lines, ">= 3", lines >= 3),
        ("mean reply (s)", answers, ">= 3", answers >= 3),
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _all(pattern: str, kind: type) -> list:
    return [row for path in sorted(RESULTS.glob(pattern)) for row in read_rows(path, kind)]


if __name__ == "__main__":
    sys.exit(main())

"""Estimated workload of a run and of its jobs.

The true amounts are known only after a run. The assumptions about media and dialogues are here; the
paper's own counts are from its Table 1. Imported by the Snakefile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.workflow.requirements import Work

MEDIUM = 7200.0  # seconds of a medium
CLIPS = 0.3  # share of a medium that ends up in clips
CLIP = 6.0  # seconds
# The paper's Table 1: 255.23 and 827.82 hours of 111,846 dialogues.
USER, ROLE = 8.2, 26.6  # seconds of the user and of the role in a dialogue
KEPT = 0.71  # of 98 x 1600 dialogues written, the paper keeps 111,454
TURNS = {"single": 1, "multi": 3}  # of the user in a dialogue
WRITTEN = {"single": 120, "multi": 280}  # tokens of a dialogue
REPLY = 100  # tokens


@dataclass(frozen=True)
class Size:
    """The size of a run."""

    media: dict[str, int]  # batch -> rows
    roles: int  # that play
    trained: int  # of them in the train pool
    shards: int
    written: dict[str, int]  # mode -> dialogues a role
    tested: dict[str, int]  # mode -> test dialogues a role
    metrics: int  # of a judge
    separate_user_tts: bool = False  # users have their own synthesiser, and rule

    def dialogues(self, split: str) -> float:
        """Dialogues of a split."""
        test = self.roles * sum(self.tested.values())
        if split == "test":
            return test
        pool = self.trained if split == "train" else self.roles - self.trained
        kept = KEPT * pool * sum(self.written.values())
        return max(0.0, kept - pool * sum(self.tested.values()))


@dataclass(frozen=True)
class Part:
    """The part of a run that a job works on, as narrowed by its wildcards."""

    media: float
    clips: float  # seconds
    written: float  # dialogues
    tokens: float  # of them
    spoken: float  # dialogues of the split; of the test split where a job has none
    lines: float  # of both sides in them
    tested: float  # test dialogues
    turns: float  # of the user in them
    trained: float  # dialogues of the train split
    roles: int
    metrics: int
    separate_user_tts: bool
    params: Mapping[str, Any]  # of the job


def size(
    config: dict[str, Any], media: list[dict], roles: list[dict], metrics: Collection[str]
) -> Size:
    """The size of a run. `media` and `roles` are the rows of the two tables, `metrics` ids."""
    batches: dict[str, int] = {}
    for row in media:
        batches[row["batch"]] = batches.get(row["batch"], 0) + 1
    sets = 3 if config["benchmark"] and config["reference"] == "all" else 1  # of reference speech
    return Size(
        media=batches,
        roles=sum(bool(row["pool"]) for row in roles),
        trained=sum(row["pool"] == "train" for row in roles),
        shards=config["shards"],
        written={mode: config["write"][mode] for mode in TURNS},
        tested={mode: sets * config["split"][mode] for mode in TURNS},
        metrics=len(metrics),
        separate_user_tts=config["speak"]["tts"] != config["speak"]["user_tts"],
    )


def part(job: Work, run_size: Size) -> Part:
    """The part of the run that a job works on."""
    media = run_size.media.get(job.wildcards.get("batch", ""), sum(run_size.media.values()))
    share = 1 / run_size.shards if "shard" in job.wildcards else 1.0
    spoken = run_size.dialogues(job.wildcards.get("split", "test")) * share
    count = sum(run_size.written.values())
    turns = sum(TURNS[mode] * number for mode, number in run_size.written.items())
    return Part(
        media=media,
        clips=media * MEDIUM * CLIPS,
        written=run_size.roles * share * count,
        tokens=run_size.roles
        * share
        * sum(WRITTEN[mode] * number for mode, number in run_size.written.items()),
        spoken=spoken,
        lines=2 * spoken * turns / max(1, count),
        tested=run_size.dialogues("test") * share,
        turns=run_size.roles
        * share
        * sum(TURNS[mode] * number for mode, number in run_size.tested.items()),
        trained=run_size.dialogues("train"),
        roles=run_size.roles,
        metrics=run_size.metrics,
        separate_user_tts=run_size.separate_user_tts,
        params=job.params,
    )

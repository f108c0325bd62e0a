"""Estimated workload of a run and of its jobs.

The true amounts are known only after a run. The assumptions about media are here, those about the
length of dialogues in scripts/workflow/lengths.py. Imported by the Snakefile.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.workflow.lengths import CLIPS, MEDIUM, TURNS, Length, mean_length
from scripts.workflow.requirements import Work

CLIP = 6.0  # seconds
KEPT = 0.71  # of 98 x 1600 dialogues written, the paper keeps 111,454
REPLY = 100  # tokens
# Full duplex: questions to a service role, tasks of the set with known truth, items of another set.
QUESTIONS, KINDS, OTHERS = 7, 7, 200
SIDE = 18.0  # seconds of a conversation


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
    lengths: dict[str, Length]  # mode -> mean over the roles
    separate_user_tts: bool = False  # users have their own synthesiser, and rule
    asked: Mapping[str, float] = field(default_factory=dict)  # full duplex: collection -> items

    def dialogues(self, split: str) -> float:
        """Dialogues of a split."""
        test = self.roles * sum(self.tested.values())
        if split == "test":
            return test
        pool = self.trained if split == "train" else self.roles - self.trained
        kept = KEPT * pool * sum(self.written.values())
        return max(0.0, kept - pool * sum(self.tested.values()))

    def mean(self, counts: Mapping[str, int], quantity: Callable[[Length], float]) -> float:
        """The mean of a quantity over dialogues, so many of each mode."""
        whole = sum(number * quantity(self.lengths[mode]) for mode, number in counts.items())
        return whole / max(1, sum(counts.values()))


@dataclass(frozen=True)
class Part:
    """The part of a run that a job works on, as narrowed by its wildcards."""

    media: float
    clips: float  # seconds
    written: float  # dialogues
    tokens: float  # of them
    read: float  # tokens of a prompt for some of them
    spoken: float  # dialogues of the split; of the test split where a job has none
    lines: float  # of both sides in them
    user: float  # seconds of the user in one of them
    role: float  # seconds of the role in one of them
    tested: float  # test dialogues
    turns: float  # of the user in them
    trained: float  # dialogues of the train split
    roles: int
    metrics: int
    separate_user_tts: bool
    asked: float  # items of full duplex
    params: Mapping[str, Any]  # of the job


def size(
    config: dict[str, Any], media: list[dict], roles: list[dict], metrics: Collection[str]
) -> Size:
    """The size of a run. `media` and `roles` are the rows of the two tables, `metrics` ids."""
    cast = [row for row in roles if row["pool"]]
    batches: dict[str, int] = {}
    for row in media:
        batches[row["batch"]] = batches.get(row["batch"], 0) + 1
    sets = 3 if config["benchmark"] and config["reference"] == "all" else 1  # of reference speech
    return Size(
        media=batches,
        roles=len(cast),
        trained=sum(row["pool"] == "train" for row in roles),
        shards=config["shards"],
        written={mode: config["write"][mode] for mode in TURNS},
        tested={mode: sets * config["split"][mode] for mode in TURNS},
        metrics=len(metrics),
        lengths={mode: mean_length(config["write"], mode, cast) for mode in TURNS},
        separate_user_tts=config["speak"]["tts"] != config["speak"]["user_tts"],
        asked={
            "service": QUESTIONS * config["duplex"]["scenarios"]["asked"],
            "known": KINDS * config["duplex"]["known"]["each"],
            **dict.fromkeys(config["duplex"]["collections"], OTHERS),
        },
    )


def part(job: Work, run_size: Size) -> Part:
    """The part of the run that a job works on."""
    media = run_size.media.get(job.wildcards.get("batch", ""), sum(run_size.media.values()))
    share = 1 / run_size.shards if "shard" in job.wildcards else 1.0
    split = job.wildcards.get("split", "test")
    spoken = run_size.dialogues(split) * share
    modes = run_size.tested if split == "test" else run_size.written
    count = sum(run_size.written.values())
    return Part(
        media=media,
        clips=media * MEDIUM * CLIPS,
        written=run_size.roles * share * count,
        tokens=run_size.roles
        * share
        * count
        * run_size.mean(run_size.written, lambda length: length.tokens),
        read=run_size.mean(run_size.written, lambda length: length.read),
        spoken=spoken,
        lines=2 * spoken * run_size.mean(modes, lambda length: length.turns),
        user=run_size.mean(modes, lambda length: length.user),
        role=run_size.mean(modes, lambda length: length.role),
        tested=run_size.dialogues("test") * share,
        turns=run_size.roles
        * share
        * sum(TURNS[mode] * number for mode, number in run_size.tested.items()),
        trained=run_size.dialogues("train"),
        roles=run_size.roles,
        metrics=run_size.metrics,
        separate_user_tts=run_size.separate_user_tts,
        asked=run_size.asked.get(job.wildcards.get("collection", ""), sum(run_size.asked.values())),
        params=job.params,
    )

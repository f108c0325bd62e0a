"""Judges: pairwise scores from 1 to 10 for a system's reply and the reference (paper, 4.2).

A missing verdict is `Scores` with None and a reason: never a zero. Audio comes as `Sound`, which is
read lazily: a judge whose answers are stored reads none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scripts.common.audio import Sound
from scripts.common.paths import ROOT
from scripts.common.tables import read_table
from scripts.rows.judging import Trial

KEPT = {"judge": 64}

__all__ = [
    *("JudgeBackend", "Metric", "Pair", "Scores", "Side", "Sound", "Trial", "accept"),
    "read_metrics",
]


@dataclass(frozen=True)
class Metric:
    """A row of config/metrics.tsv."""

    id: str
    name: str
    dimension: str
    definition: str


@dataclass(frozen=True)
class Side:
    """One side of a pair: the role's audio and text of every turn."""

    audio: tuple[Sound, ...]
    text: tuple[str | None, ...]  # the system's text, None if it does not provide one


@dataclass(frozen=True)
class Pair:
    """A test dialogue with the tested system's replies and the reference's."""

    id: str
    language: str
    name: str  # the role's
    work: str
    profile: str
    lines: tuple[str, ...]
    clips: tuple[Sound, ...]  # the role's own speech
    questions: tuple[str, ...]  # what the user says, turn by turn
    test: Side
    reference: Side
    sample: int = 0  # repetition of the same pair: each is judged again
    context: str = ""  # the part of the script that the dialogue was written from


@dataclass(frozen=True)
class Scores:
    """The pair of scores of one metric, with a rationale or a reason."""

    test: float | None
    reference: float | None
    rationale: str
    raw: str | None = None
    reason: str | None = None
    trials: tuple[Trial, ...] = ()  # of a prompted judge: each usable answer
    asked: str | None = None  # the model that the judge's service was asked for
    version: str | None = None  # the one that answered, as the service says
    cut: int = 0  # audio parts of both sides that the judge heard only the beginning of


def read_metrics(path: Path) -> list[Metric]:
    """The rows of a table of metrics. Raises UserError, naming the line, for one that is wrong."""
    return [Metric(**row) for row in read_table(path, "metrics")]


class JudgeBackend(Protocol):
    """A judge."""

    @property
    def integer_scores(self) -> bool:
        """Whether its scores are whole numbers, as those of a judge who is asked once for one."""

    def judge(self, pairs: list[Pair], metrics: list[Metric]) -> list[list[Scores]]:
        """For each pair the scores of each metric, in the order of `metrics`."""


def accept(backend: JudgeBackend, pair: Pair) -> None:
    """Check a backend against the contract on one pair; raises AssertionError."""
    assert backend.integer_scores in (True, False)
    metrics = read_metrics(ROOT / "config/metrics.tsv")
    ((*scores,),) = backend.judge([pair], metrics)
    assert len(scores) == len(metrics)
    for score in scores:
        if score.test is None or score.reference is None:
            assert score.test is score.reference is None and score.reason
        else:
            assert 1 <= score.test <= 10 and 1 <= score.reference <= 10 and score.rationale
            assert score.reason is None
            if backend.integer_scores:
                assert score.test % 1 == score.reference % 1 == 0
        for trial in score.trials:
            assert 1 <= trial.test <= 10 and 1 <= trial.reference <= 10

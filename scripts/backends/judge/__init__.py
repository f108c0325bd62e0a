"""Judges: pairwise scores from 1 to 10 for a system's reply and the reference (paper, 4.2).

A backend has
- `whole`: whether its scale holds whole numbers only, as that of a judge who is asked for one;
- `judge(pairs, metrics)`: a list of `Pair` and a list of metric ids -> for each pair a list, in the
  order of `metrics`, of `Scores`.
A verdict that could not be had is `Scores` with None
and a reason: never a zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

METRICS = ("IA", "CC", "SF", "SN", "PC", "EA", "PeC", "KC")


@dataclass(frozen=True)
class Side:
    """One side of a pair: the role's audio and text of every turn."""

    audio: tuple[np.ndarray, ...]  # (n,) float32 at 16 kHz each
    text: tuple[str | None, ...]  # what the system meant to say, None where it does not say


@dataclass(frozen=True)
class Pair:
    """A test dialogue with the tested system's replies and the reference's."""

    id: str
    language: str
    name: str  # the role's
    work: str
    profile: str
    lines: tuple[str, ...]
    clips: tuple[np.ndarray, ...]  # the role's own speech, (n,) float32 at 16 kHz each
    questions: tuple[str, ...]  # what the user says, turn by turn
    test: Side
    reference: Side


@dataclass(frozen=True)
class Scores:
    """The pair of scores of one metric, with why."""

    test: float | None
    reference: float | None
    rationale: str
    raw: str | None = None
    reason: str | None = None


def accept(backend, pair: Pair) -> None:
    """Check a backend against the contract on one pair; raises AssertionError."""
    assert backend.whole in (True, False)
    ((*scores,),) = backend.judge([pair], list(METRICS))
    assert len(scores) == len(METRICS)
    for score in scores:
        if score.test is None or score.reference is None:
            assert score.reason
        else:
            assert 1 <= score.test <= 10 and 1 <= score.reference <= 10 and score.rationale

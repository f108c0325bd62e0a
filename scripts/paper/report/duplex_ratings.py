"""People's ratings of conversations: config/duplex_ratings.tsv, and their means (DMOS)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts.common.errors import UserError
from scripts.duplex.measuring import ratings_of
from scripts.paper.report.statistics import t_interval
from scripts.rows.duplex import Conversation, sample_of


@dataclass(frozen=True)
class SampleRating:
    """One rater's score (1 to 5) of a system's side of an item."""

    rater: str
    system: str
    collection: str
    item: str
    score: int


def read_sample_ratings(path: Path, conversations: Iterable[Conversation]) -> list[SampleRating]:
    """Read the ratings; a table with only a header has none.

    Raises UserError for a malformed row, a sample that this run has not, and one that a rater rated
    twice.
    """
    samples = {sample_of(row): row for row in conversations if not row.dropped}
    ratings = []
    for where, row in ratings_of(path):
        found = samples.get(row["sample"])
        if found is None:
            raise UserError(
                f"{where}: this run has no sample '{row['sample']}'. Its samples are those of "
                "results/duplex/sheet/sheet.tsv, one for each system, collection and item."
            )
        score = int(row["score"])
        ratings.append(SampleRating(row["rater"], found.system, found.collection, found.id, score))
    return ratings


def mean_opinion(ratings: list[SampleRating]) -> tuple[float, tuple[float, float] | None]:
    """The mean of ratings, and Student's t interval over the means of items (None: under five)."""
    items = {rating.item for rating in ratings}
    means = [np.mean([r.score for r in ratings if r.item == item]) for item in sorted(items)]
    return float(np.mean([r.score for r in ratings])), t_interval(np.array(means))

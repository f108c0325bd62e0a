"""Human ratings of this run's test items: config/human_ratings.tsv."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.common import documents
from scripts.common.errors import UserError
from scripts.common.tables import located
from scripts.paper.report.published import as_printed


@dataclass(frozen=True)
class Rating:
    """One rater's score (1 to 10) of one metric of a system's replies to a test item."""

    rater: str
    system: str
    role: str
    mode: str
    idx: int
    metric: str
    score: int


def read_ratings(
    path: Path, systems: Collection[str], roles: Collection[str], metrics: Collection[str]
) -> list[Rating]:
    """Read the ratings; a table with only a header has none.

    Systems of the paper get its spelling. Raises UserError for a malformed row, an unknown
    system, role or metric, and an item that one rater scored twice.
    """
    ratings: dict[tuple, Rating] = {}
    for where, row in located(path, "human_ratings"):
        for column, known in (("system", systems), ("role", roles), ("metric", metrics)):
            if row[column] not in known:
                raise UserError(
                    f"{where}: there is no {column} '{row[column]}' in this run"
                    f"{documents.nearest(row[column], known)}"
                )
        values: dict[str, Any] = {**row, "idx": int(row["idx"]), "score": int(row["score"])}
        key = tuple(value for name, value in values.items() if name != "score")
        if key in ratings:
            raise UserError(
                f"{where}: {row['rater']} scored {row['metric']} of {row['role']}, {row['mode']} "
                f"{row['idx']}, by {row['system']} twice; keep one of the rows."
            )
        ratings[key] = Rating(**values | {"system": as_printed(row["system"])})
    return list(ratings.values())

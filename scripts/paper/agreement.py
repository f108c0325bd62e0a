"""Do raters agree with each other and with the judge, item by item?

A handful of systems says little about a judge (table5: none of the paper's correlations is
significant); items say more. Items of one role are not independent, so intervals are Student's t
of the jackknife's pseudo-values, a role left out at a time.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from scripts.common import stage
from scripts.common.records import Verdict, read_rows
from scripts.common.statistics import jackknife_interval, krippendorff_alpha
from scripts.paper.layout import write_table
from scripts.paper.printed import METRICS
from scripts.paper.ratings import Rating, read_ratings
from scripts.paper.scores import ratio

HEADER = ["metric", "measure", "judge", "value", "ci_lo", "ci_hi", "items", "roles", "raters"]
COLUMNS = {
    **{"metric": "Metric", "measure": "Measure", "judge": "Judge", "value": "Value"},
    **{"ci_lo": "95 % from", "ci_hi": "to", "items": "Items", "roles": "Roles", "raters": "Raters"},
}
ALPHA, TAU = "Krippendorff's alpha", "Kendall's tau-b"
NOTES = [
    "Krippendorff's alpha (ordinal): agreement of the raters with each other on items that two or "
    "more of them rated; 1 is full agreement, 0 what chance gives.",
    "Kendall's tau-b: order of items by mean rating against order by the judge's test / reference.",
    "Intervals: 95 %, by leaving out one role at a time; none with fewer than five roles.",
]


def agreement(
    ratings: Path,
    verdicts: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    systems: list[str],
    roles: list[str],
) -> None:
    """Alpha and tau-b of each metric that was rated; without ratings the table has no rows.

    `systems` and `roles` are the names a rating may use. An item is a system's replies to a test
    dialogue.
    """
    given = read_ratings(ratings, systems, roles)
    scores = [row for path in verdicts for row in read_rows(path, Verdict)]
    rows = []
    for metric in METRICS:
        own = [rating for rating in given if rating.metric == metric]
        if own:
            rows.append({"metric": metric} | between_raters(own))
            judged = [row for row in scores if row.metric == metric and ratio(row) is not None]
            for judge in dict.fromkeys(row.judge for row in judged):
                known = [row for row in judged if row.judge == judge]
                rows.append({"metric": metric, "judge": judge} | with_judge(own, known))
    notes = NOTES if given else ["No ratings of this run were given: config/human_ratings.tsv."]
    title = "Agreement on items"
    write_table(rows, table_csv, table_md, table_tex, title, notes, columns=COLUMNS, header=HEADER)


def between_raters(ratings: list[Rating]) -> dict[str, Any]:
    """Alpha of the raters of one metric."""
    items = sorted({_item(rating) for rating in ratings})
    people = sorted({rating.rater for rating in ratings})
    grid = np.full((len(people), len(items)), np.nan)
    for rating in ratings:
        grid[people.index(rating.rater), items.index(_item(rating))] = rating.score
    clusters = np.array([role for _, role, _, _ in items])
    return _row(ALPHA, krippendorff_alpha, grid, clusters) | {"raters": len(people)}


def with_judge(ratings: list[Rating], verdicts: list[Verdict]) -> dict[str, Any]:
    """Tau-b of mean ratings and a judge's ratios, over the items that have both."""
    rated: dict[tuple, list[int]] = {}
    for rating in ratings:
        rated.setdefault(_item(rating), []).append(rating.score)
    scored = {_item(row): ratio(row) for row in verdicts}
    items = sorted(set(rated) & set(scored))
    pairs = np.array([[np.mean(rated[item]), scored[item]] for item in items]).reshape(-1, 2).T
    clusters = np.array([role for _, role, _, _ in items])
    raters = len({rating.rater for rating in ratings})
    return _row(TAU, tau_b, pairs, clusters) | {"raters": raters}


def tau_b(pairs: np.ndarray) -> float | None:
    """Kendall's tau-b of two rows; None where a row holds one value only."""
    found = kendalltau(*pairs).statistic if pairs.shape[1] > 1 else np.nan
    return None if np.isnan(found) else float(found)


def _row(
    measure: str, statistic: Callable, values: np.ndarray, clusters: np.ndarray
) -> dict[str, Any]:
    low, high = jackknife_interval(statistic, values, clusters) or (None, None)
    value = statistic(values) if values.shape[1] else None
    counts = {"items": values.shape[1], "roles": len(set(clusters.tolist()))}
    return {"measure": measure, "value": value, "ci_lo": low, "ci_hi": high} | counts


def _item(row: Rating | Verdict) -> tuple:
    return row.system, row.role, row.mode, row.idx


if __name__ == "__main__":
    stage.run(agreement, globals().get("snakemake"))

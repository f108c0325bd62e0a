"""Table 4: mean human ratings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.paper.report.layout import Section, write_table
from scripts.paper.report.published import SOURCES, read_published, with_printed
from scripts.paper.report.ratings import Rating, read_ratings
from scripts.workflow import stage

HEADER = ["metric", "system", "source", "mean", "n_items", "n_raters"]


def table4(
    published: Path,
    ratings: Path,
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    systems: list[str],
    roles: list[str],
    metrics: Sequence[str] = (),
) -> None:
    """The printed means, and this run's if it has ratings.

    A mean is over all ratings of a metric and system. `systems`, `roles` and `metrics` are the
    names a rating may use. csv: one row a metric, system and source; counts are empty where
    printed.
    """
    means = [
        {"metric": row["metric"], "system": system, "source": "printed", "mean": mean}
        for row in read_published(published)
        for system, mean in row.items()
        if system != "metric"
    ]
    given = read_ratings(ratings, systems, roles, with_printed(metrics))
    own = [
        _mean(given, metric, system)
        for metric in with_printed(metrics)
        for system in dict.fromkeys(rating.system for rating in given)
    ]
    sections = [_wide(means, 2)]
    notes = [
        "Printed: three raters, half of the Chinese test items, absolute scores from 1 to 10.",
    ]
    if own:
        sections.append(_wide(own, 2))
        people, items = len({r.rater for r in given}), len({(r.role, r.mode, r.idx) for r in given})
        notes.append(f"This run: {len(given)} scores of {items} items by {people} raters.")
    else:
        notes.append("No ratings of this run were given: only printed figures are shown.")
    write_table(
        means + own,
        table_csv,
        table_md,
        table_tex,
        "Table 4: mean human scores",
        notes,
        sections=sections,
        header=HEADER,
    )


def _mean(ratings: list[Rating], metric: str, system: str) -> dict[str, Any]:
    """The mean of this run's ratings of a metric and system; None without any."""
    chosen = [r for r in ratings if (r.metric, r.system) == (metric, system)]
    mean = sum(r.score for r in chosen) / len(chosen) if chosen else None
    return {
        "metric": metric,
        "system": system,
        "source": "run",
        "mean": mean,
        "n_items": len({(r.role, r.mode, r.idx) for r in chosen}),
        "n_raters": len({r.rater for r in chosen}),
    }


def _wide(rows: list[dict[str, Any]], digits: int) -> Section:
    """A grid with a line a metric and a column a system, as the paper draws it."""
    systems = list(dict.fromkeys(row["system"] for row in rows))
    lines = [
        {"metric": metric} | {row["system"]: row["mean"] for row in rows if row["metric"] == metric}
        for metric in dict.fromkeys(row["metric"] for row in rows)
    ]
    columns = {"metric": "Metric"} | {system: system for system in systems}
    return Section(lines, columns, SOURCES[rows[0]["source"]].capitalize(), digits)


if __name__ == "__main__":
    stage.run(table4, globals().get("snakemake"))

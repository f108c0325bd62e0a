"""Figure 4: distribution of dialogues over the eight sub-tasks of three major categories."""

from collections import Counter
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from scripts.paper.report.drawing import COLOURS, drawing
from scripts.paper.report.layout import write_csv
from scripts.paper.report.published import SOURCES, read_published
from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import read_all
from scripts.workflow import stage

HEADER = ["category", "subtask", "source", "dialogues", "percent"]


def figure4(
    published: Path,
    kept: list[Path],
    figure_csv: Path,
    figure_pdf: Path,
    figure_svg: Path,
    figure_png: Path,
) -> None:
    """Share of each sub-task among this run's dialogues, beside the printed percentages.

    Percentages are of the dialogues with a sub-task; those without one are a csv row of their own
    (no category, "unclassified") and are named in the figure.
    """
    rows = read_all(kept, Dialogue)
    counts = Counter(row.subtask for row in rows)
    origin = read_published(published)
    total = sum(counts[row["subtask"]] for row in origin)
    own = [_share(row, counts, total) for row in origin]
    unclassified = {
        "subtask": "unclassified",
        "source": "run",
        "dialogues": len(rows) - total,
    }
    origin = [row | {"source": "printed"} for row in origin]
    write_csv([*origin, *own, unclassified], figure_csv, HEADER)
    with drawing(7.2, 4.2, figure_pdf, figure_svg, figure_png) as page:
        axes = page.subplots()
        _draw(axes, origin, own)
        axes.legend(
            [
                SOURCES["printed"],
                f"{SOURCES['run']}: n = {total}, {len(rows) - total} more unclassified",
            ],
            loc="upper center",
            bbox_to_anchor=(0.5, -0.1),
            ncols=2,
        )


def _share(row: dict[str, Any], counts: Counter, total: int) -> dict[str, Any]:
    """This run's row for a printed row's sub-task; no percentage without dialogues."""
    count = counts[row["subtask"]]
    return {
        "category": row["category"],
        "subtask": row["subtask"],
        "source": "run",
        "dialogues": count,
        "percent": 100 * count / total if total else None,
    }


def _draw(axes: Axes, origin: list[dict[str, Any]], own: list[dict[str, Any]]) -> None:
    """Two bars a sub-task, sub-tasks grouped by category from top to bottom."""
    places, place, previous = [], 0.0, None
    for row in origin:
        place += 1.0 if row["category"] == previous else 1.8
        if row["category"] != previous:
            axes.text(0.2, place - 0.85, row["category"], weight="bold", va="center", fontsize=8.5)
        previous = row["category"]
        places.append(place)
    for rows, shift in ((origin, -0.19), (own, 0.19)):
        at = [place + shift for place in places]
        shares = [row["percent"] or 0 for row in rows]
        bars = axes.barh(at, shares, height=0.36, color=COLOURS[rows[0]["source"]])
        axes.bar_label(bars, fmt="%.1f", padding=2, fontsize=7.5)
    axes.set_yticks(places, [row["subtask"] for row in origin])
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.set_xlabel("% of dialogues")


if __name__ == "__main__":
    stage.run(figure4, globals().get("snakemake"))

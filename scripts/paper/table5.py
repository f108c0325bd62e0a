"""Table 5: rank correlation between human ratings and the judge."""

from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

from scripts.paper.report.expected import Expected
from scripts.paper.report.layout import write_table
from scripts.paper.report.published import PAPER_METRICS, SOURCES, read_published, with_printed
from scripts.paper.report.ratings import Rating, read_ratings
from scripts.paper.report.scores import ratio
from scripts.paper.report.statistics import rank_agreement
from scripts.paper.report.versioned_verdicts import read_verdicts, without_version
from scripts.rows.judging import Verdict
from scripts.workflow import stage

HEADER = ["metric", "source", "spearman_rho", "p_exact", "ci_lo", "ci_hi", "n"]
COLUMNS = {
    "metric": "Metric",
    "label": "Source",
    "spearman_rho": "Spearman ρ",
    "p_exact": "Exact p",
    "ci_lo": "95 % from",
    "ci_hi": "to",
    "n": "Systems",
}


def table5(
    published: Path,
    human: Path,
    automatic: Path,
    ratings: Path,
    verdicts: list[Path],
    test: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    systems: list[str],
    roles: list[str],
    about_judge: list[str],
    expected: dict[str, list[str]],
) -> None:
    """Spearman's rho between mean human and mean automatic scores of systems, per metric.

    Sources: `printed`, `recomputed` from the printed Tables 4 (`human`) and 2 (`automatic`,
    Chinese), and `run` if this run has ratings; its automatic means are over the rated items, and a
    system with several versions counts as several. `test`, `about_judge` and `expected` are as in
    table2. p is two-sided over all permutations (empty above nine systems), the interval by
    Fisher's z with variance 1.06 / (n - 3) (empty for n <= 3 or |rho| = 1).
    """
    metrics = with_printed(expected["metrics"])
    people = {row["metric"]: row for row in read_published(human)}
    judge = {
        row["system"]: row for row in read_published(automatic) if row["language"] == "Chinese"
    }
    names = [name for name in people["IA"] if name in judge]
    rows = [
        {"metric": row["metric"], "source": "printed", "spearman_rho": row["spearman_rho"]}
        | {"n": len(names)}
        for row in read_published(published)
    ]
    for metric in PAPER_METRICS:
        pairs = [(people[metric][name], judge[name][metric]) for name in names]
        rows.append(_agreement(metric, "recomputed", pairs))
    given, lost, notes = read_ratings(ratings, systems, roles, metrics), 0, []
    if given:
        read = read_verdicts(verdicts, Expected(test, **expected))
        notes = [*about_judge, *read.notes]
        automatic_of = {
            _item(row): ((row.system, row.judge), score)
            for row in read.verdicts
            if (score := ratio(row)) is not None
        }
        rows += [
            _agreement(metric, "run", _pairs(metric, given, automatic_of)) for metric in metrics
        ]
        lost = sum(_item(rating) not in automatic_of for rating in given)
    order = list(SOURCES)
    rows.sort(key=lambda row: (metrics.index(row["metric"]), order.index(row["source"])))
    write_table(
        [row | {"label": SOURCES[row["source"]]} for row in rows],
        table_csv,
        table_md,
        table_tex,
        "Table 5: agreement of people and judge on the ranking of systems",
        notes=[*_notes(rows, len(given), lost), *notes],
        columns=COLUMNS,
        header=HEADER,
    )


def _agreement(metric: str, source: str, pairs: list[tuple[float, float]]) -> dict[str, Any]:
    """One row of the table from the (human, automatic) means of the systems."""
    found = rank_agreement([a for a, _ in pairs], [b for _, b in pairs])
    return {"metric": metric, "source": source, "spearman_rho": found.pop("rho"), **found}


def _item(row: Rating | Verdict) -> tuple:
    """The key of a rating and a verdict: system, item and metric."""
    return without_version(row.system), row.role, row.mode, row.idx, row.metric


def _pairs(
    metric: str, ratings: list[Rating], scores: dict[tuple, tuple[tuple[str, str], float]]
) -> list[tuple[float, float]]:
    """(mean rating, mean score) of each system, over items with both."""
    human: dict[tuple[str, str], list[float]] = defaultdict(list)
    automatic: dict[tuple[str, str], dict] = defaultdict(dict)
    for rating in ratings:
        item = _item(rating)
        if rating.metric == metric and item in scores:
            system, score = scores[item]
            human[system].append(rating.score)
            automatic[system][item] = score
    return [(mean(human[name]), mean(automatic[name].values())) for name in human]


def _notes(rows: list[dict[str, Any]], ratings: int, lost: int) -> list[str]:
    """Notes on what the figures do and do not show."""
    notes = []
    for source in ("recomputed", "run"):
        found = [row for row in rows if row["source"] == source and row.get("p_exact") is not None]
        if found:
            least = min(row["p_exact"] for row in found)
            few = sum(row["p_exact"] < 0.05 for row in found)
            notes.append(
                f"{SOURCES[source].capitalize()}: {few or 'none'} of {len(found)} correlations "
                f"{'is' if few < 2 else 'are'} significant at .05 (least exact p {least:.3f}, "
                f"n = {max(row['n'] for row in found)} systems)."
            )
    if not ratings:
        notes.append("No ratings of this run were given: it has no rows here.")
    if lost:
        notes.append(f"{lost} of {ratings} ratings have no automatic score beside them: not used.")
    notes.append(
        "Recomputed rows take the printed Table 4 and the Chinese half of the printed Table 2. p "
        "is two-sided over all permutations; the interval is Fisher's z with variance "
        "1.06 / (n - 3)."
    )
    return notes


if __name__ == "__main__":
    stage.run(table5, globals().get("snakemake"))

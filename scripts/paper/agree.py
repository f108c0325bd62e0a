"""Do judges agree with each other and with people, on systems and on items?

A handful of systems says little about a judge (table5: none of the paper's correlations is
significant); items say more. Items of one role are not independent, so intervals on items are
Student's t intervals of jackknife pseudo-values, leaving out one role at a time.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from scripts.paper.report.expected import Expected
from scripts.paper.report.layout import EMPTY, Section, write_table
from scripts.paper.report.published import stand_ins, with_printed
from scripts.paper.report.ratings import Rating, read_ratings
from scripts.paper.report.scores import missing_notes, ratio
from scripts.paper.report.statistics import (
    jackknife_interval,
    krippendorff_alpha,
    rank_agreement,
)
from scripts.paper.report.versioned_verdicts import read_verdicts, without_version
from scripts.rows.jsonl import given
from scripts.rows.judging import Verdict
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

PEOPLE = "raters"
HEADER = [
    *("metric", "one", "other", "level", "measure", "value", "p_exact", "ci_lo", "ci_hi"),
    *("n", "roles", "raters"),
]
RHO, TAU, ALPHA = "Spearman's rho", "Kendall's tau-b", "Krippendorff's alpha"
RATIO, REPLY = "ratio", "reply"
WINNER = "same winner"
NAMES = {
    (RHO, RATIO): "Systems: ρ",
    (TAU, RATIO): "Items: tau-b, ratio",
    (TAU, REPLY): "tau-b, reply",
    (ALPHA, REPLY): "alpha, reply",
    (WINNER, ""): "Same winner",
}
NOTES = [
    "Systems: Spearman's rho of the systems' means over the items that both scored, by ratio (test "
    "/ reference; of people, the mean rating), with the exact two-sided p over all orders (none "
    "above nine systems) and the interval by Fisher's z with variance 1.06 / (n - 3).",
    "Items: Kendall's tau-b orders them by ratio, or by the score of the reply alone; "
    "Krippendorff's alpha (ordinal) asks whether the scores of the reply are the same, 1 is full "
    "agreement and 0 what chance gives. Same winner: share of items in which both judges prefer "
    "the same side or none. Of raters with each other: items that two or more of them rated.",
    "Intervals on items: 95 %, by leaving out one role at a time; none with fewer than five roles.",
]
OF_STAND_INS = "Two of its kind agree, by construction, on what they measure with the same models."
Scored = dict[tuple, tuple[Hashable, Verdict]]  # item -> system with its version, verdict


def agree(
    ratings: Path,
    verdicts: list[Path],
    test: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    systems: list[str],
    roles: list[str],
    judges: dict[str, ModelSpec],
    about_judge: list[str],
    expected: dict[str, list[str]],
) -> None:
    """One csv row a metric, pair of judges (people count as one) and measure; columns: HEADER.

    `verdicts` are those of all `judges` (specs by name); `systems` and `roles` are the names that
    a rating may use; `about_judge` and `expected` are as
    in table2. An item is a system's replies to a test dialogue.
    A judge with several versions counts as several judges. With one judge and no ratings the table
    has no rows.
    """
    metrics = with_printed(expected["metrics"])
    given = read_ratings(ratings, systems, roles, metrics)
    read = read_verdicts(verdicts, Expected(test, **expected))
    scored: dict[tuple[str, str], Scored] = defaultdict(dict)
    for row in read.verdicts:
        if ratio(row) is not None:
            scored[row.judge, row.metric][_item(row)] = (row.system, row)
    names = list(dict.fromkeys(row.judge for row in read.verdicts))
    rows = []
    for metric in metrics:
        own = [rating for rating in given if rating.metric == metric]
        if own:
            rows.append({"metric": metric} | among_raters(own))
        for judge in names if own else ():
            rows += [
                {"metric": metric} | row for row in with_people(judge, own, scored[judge, metric])
            ]
        for one, other in combinations(names, 2):
            if without_version(one) == without_version(other):
                continue  # versions of one judge share no item
            found = of_judges(one, scored[one, metric], other, scored[other, metric])
            rows += [{"metric": metric} | row for row in found]
    rows = [dict.fromkeys(HEADER) | row for row in rows]
    alone = [f"{note} {OF_STAND_INS}" for note in stand_ins(judges)]
    notes = (
        [*alone, *about_judge, *NOTES, *read.notes, *missing_notes(read.verdicts)] if rows else []
    )
    if not given:
        notes.append("No ratings of this run were given: config/human_ratings.tsv.")
    if len(judges) < 2:
        notes.append("One judge only: `agree` in the config names others to compare it with.")
    write_table(
        rows,
        table_csv,
        table_md,
        table_tex,
        "Agreement of judges and people",
        notes,
        sections=_sections(rows),
        header=HEADER,
    )


def among_raters(ratings: list[Rating]) -> dict[str, Any]:
    """Alpha of the raters of one metric."""
    items = sorted({_item(rating) for rating in ratings})
    people = sorted({rating.rater for rating in ratings})
    grid = np.full((len(people), len(items)), np.nan)
    for rating in ratings:
        grid[people.index(rating.rater), items.index(_item(rating))] = rating.score
    row = _on_items((ALPHA, REPLY), krippendorff_alpha, grid, items)
    return row | {"one": PEOPLE, "other": PEOPLE, "raters": len(people)}


def with_people(judge: str, ratings: list[Rating], scored: Scored) -> list[dict[str, Any]]:
    """The judge beside the mean ratings, over the items that have both."""
    rated: dict[tuple, list[int]] = defaultdict(list)
    for rating in ratings:
        rated[_item(rating)].append(rating.score)
    items = sorted(set(rated) & set(scored))
    people = [float(np.mean(rated[item])) for item in items]
    ratios, replies = _values(items, scored)
    systems = [scored[item][0] for item in items]
    rows = [
        _on_systems(systems, people, ratios),
        _on_items((TAU, RATIO), tau_b, np.array([people, ratios]), items),
        _on_items((TAU, REPLY), tau_b, np.array([people, replies]), items),
        _on_items((ALPHA, REPLY), krippendorff_alpha, np.array([people, replies]), items),
    ]
    names = {"one": PEOPLE, "other": judge, "raters": len({rating.rater for rating in ratings})}
    return [row | names for row in rows]


def of_judges(one: str, first: Scored, other: str, second: Scored) -> list[dict[str, Any]]:
    """Two judges, over the items that both scored."""
    items = sorted(set(first) & set(second))
    (ratios, replies), (ratios_2, replies_2) = _values(items, first), _values(items, second)
    leads = [
        [
            np.sign(given(s.score_test) - given(s.score_ref))
            for _, s in (scored[item] for item in items)
        ]
        for scored in (first, second)
    ]
    rows = [
        _on_systems([first[item][0] for item in items], ratios, ratios_2),
        _on_items((TAU, RATIO), tau_b, np.array([ratios, ratios_2]), items),
        _on_items((TAU, REPLY), tau_b, np.array([replies, replies_2]), items),
        _on_items((ALPHA, REPLY), krippendorff_alpha, np.array([replies, replies_2]), items),
        _on_items((WINNER, ""), same, np.array(leads, float), items),
    ]
    return [row | {"one": one, "other": other} for row in rows]


def tau_b(pairs: np.ndarray) -> float | None:
    """Kendall's tau-b of two rows; None where a row holds one value only."""
    found = kendalltau(*pairs).statistic if pairs.shape[1] > 1 else np.nan
    return None if np.isnan(found) else float(found)


def same(pairs: np.ndarray) -> float | None:
    """Share of the columns whose two values are equal."""
    return float(np.mean(pairs[0] == pairs[1])) if pairs.shape[1] else None


def _values(items: list[tuple], scored: Scored) -> tuple[list[float], list[float]]:
    """Ratios, and scores of the reply, of the items."""
    rows = [scored[item][1] for item in items]
    return [given(ratio(row)) for row in rows], [given(row.score_test) for row in rows]


def _on_systems(systems: list[Hashable], x: list[float], y: list[float]) -> dict[str, Any]:
    """Rho of the systems' means of `x` and `y`, which are by item as `systems` is."""
    groups: dict[Hashable, list[tuple[float, float]]] = defaultdict(list)
    for system, *pair in zip(systems, x, y, strict=True):
        groups[system].append((pair[0], pair[1]))
    means = np.array([np.mean(own, axis=0) for own in groups.values()]).reshape(-1, 2)
    one, other = means.T.tolist()
    found = rank_agreement(one, other)
    return {
        **{"level": "systems", "measure": " ".join((RHO, RATIO)), "value": found.pop("rho")},
        **found,
    }


def _on_items(
    measure: tuple[str, str], statistic: Callable, values: np.ndarray, items: list[tuple]
) -> dict[str, Any]:
    """A statistic of `values`, (2 or more, items), with an interval over roles."""
    values = values.reshape(len(values), -1)
    clusters = np.array([role for _, role, _, _ in items])
    low, high = jackknife_interval(statistic, values, clusters) or (None, None)
    value = statistic(values) if values.shape[1] else None
    return {
        **{"level": "items", "measure": " ".join(measure).strip(), "value": value},
        **{"ci_lo": low, "ci_hi": high, "n": len(items), "roles": len(set(clusters.tolist()))},
    }


def _item(row: Rating | Verdict) -> tuple:
    """The key that a rating and all judges' verdicts share: an item has one version of a system."""
    return without_version(row.system), row.role, row.mode, row.idx


def _sections(rows: list[dict[str, Any]]) -> list[Section]:
    """A grid a pair of judges, with a line a metric and a column a measure."""
    sections = []
    for one, other in dict.fromkeys((row["one"], row["other"]) for row in rows):
        here = [row for row in rows if (row["one"], row["other"]) == (one, other)]
        used = {" ".join(m).strip(): name for m, name in NAMES.items()}
        used = {m: name for m, name in used.items() if any(row["measure"] == m for row in here)}
        lines = []
        for metric in dict.fromkeys(row["metric"] for row in here):
            own = {row["measure"]: row for row in here if row["metric"] == metric}
            items = next(row for row in own.values() if row["level"] == "items")
            line = {"metric": metric} | {m: _told(row) for m, row in own.items()}
            lines.append(line | {key: items[key] for key in ("n", "roles", "raters")})
        columns = {"metric": "Metric"} | used | {"n": "Items", "roles": "Roles"}
        columns |= {"raters": "Raters"} if PEOPLE in (one, other) else {}
        title = f"{one} and {other}".replace(f"{PEOPLE} and {PEOPLE}", "raters with each other")
        sections.append(
            Section(lines, columns, title[0].upper() + title[1:] if one == PEOPLE else title)
        )
    return sections or [Section([], {key: key.capitalize() for key in HEADER[:6]})]


def _told(row: dict[str, Any]) -> str:
    """'value (from to to)', for systems with p and n."""
    if row["value"] is None:
        return EMPTY
    parts = [] if row["ci_lo"] is None else [f"{row['ci_lo']:.2f} to {row['ci_hi']:.2f}"]
    if row["level"] == "systems":
        parts += [] if row["p_exact"] is None else [f"p {row['p_exact']:.3f}"]
        parts.append(f"n = {row['n']}")
    return f"{row['value']:.2f}" + (f" ({'; '.join(parts)})" if parts else "")


if __name__ == "__main__":
    stage.run(agree, globals().get("snakemake"))

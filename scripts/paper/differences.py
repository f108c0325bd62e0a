"""Differences between systems: paired tests, ranks, and other scales than the ratio.

The paper's score is the mean of test / reference. A ratio of scores from 1 to 10 is skewed and has
no upper bound, so the mean of its logarithm, the mean difference and how often a system wins
against the reference are given as well.
"""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from scripts.paper.report.expected import Expected
from scripts.paper.report.layout import EMPTY, Section, write_table
from scripts.paper.report.published import LANGUAGES, PAPER_METRICS, with_printed
from scripts.paper.report.released import read_scores
from scripts.paper.report.scores import (
    POOLS,
    matrix,
    overall_added,
    ratio,
    refuse_missing,
    with_overall,
)
from scripts.paper.report.statistics import (
    ENOUGH,
    FEWEST,
    cluster_totals,
    holm,
    rank_intervals,
    resampled_means,
    sign_flip_p,
)
from scripts.rows.judging import Verdict
from scripts.workflow import stage

Items = dict[str, tuple[str, np.ndarray]]  # by id: the role, (scores,) ratios
PLACE = ["language", "domain", "judge"]
HEADER = [*PLACE, "system", "other", "metric", "difference", "p", "p_holm", "roles", "items"]
NAMES = {"language": "Language", "domain": "Domain", "judge": "Judge", "system": "System"}
SHARED = {"roles": "Roles", "items": "Items"}
SCALES = {
    **{"ratio": "Ratio", "log_ratio": "Log ratio", "difference": "Difference"},
    **{"win": "Win", "tie": "Tie", "loss": "Loss", "n": "Scores", "missing": "Missing"},
}
NOTES = [
    "Difference: the mean over roles of the role's mean ratio, over the items that both systems "
    "have all scores of: an item that one of them lacks is in neither mean. In brackets p of a "
    "sign-flip test over roles (all patterns up to 16 roles), adjusted by Holm's method over the "
    "{number} metrics; overall is tested alone. With fewer than five roles there is no test.",
    "Rank: the place of each system by overall (1 is best), over the items that all systems have "
    "all scores of, and the middle 95 % of its places in 10,000 resamples of their roles; no "
    "interval under twenty roles.",
    "Scales, over all scores of all metrics. Ratio: test / reference (the paper's score). Log "
    "ratio: the mean of its natural logarithm (0 is as good as the reference). Difference: test - "
    "reference, in points of the judge's scale. Win, tie, loss: shares of scores above, equal to "
    "and below the reference's.",
]


def differences(
    verdicts: list[Path],
    released: list[Path],
    published_roles: Path,
    test: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    roles: list[dict],
    max_missing: float,
    about_judge: list[str],
    expected: dict[str, list[str]],
    only: dict | None = None,
) -> None:
    """Pairwise differences (csv, and with ranks and scales on the page); arguments as in table2.

    csv: one row a language, domain, judge, pair of systems and metric or `overall`.
    """
    read = read_scores(verdicts, released, published_roles, roles, Expected(test, **expected), only)
    scores, metrics = read.verdicts, with_printed(expected["metrics"])
    refuse_missing(scores, max_missing)
    rows, pairs, ranks, scales = [], [], [], []
    for place in dict.fromkeys((v.language, v.judge) for v in scores):
        for domain, pools in POOLS.items():
            systems: dict[str, list[Verdict]] = {}
            for v in scores:
                if (v.language, v.judge) == place and v.pool in pools and v.offered:
                    systems.setdefault(v.system, []).append(v)
            at = {"language": place[0], "domain": domain, "judge": place[1]}
            whole = {name: whole_items(own, metrics) for name, own in systems.items()}
            for one, other in combinations(whole, 2):
                found = pair_rows(whole[one], whole[other], metrics)
                rows += [at | {"system": one, "other": other} | row for row in found]
                cells = {row["metric"]: _told(row) for row in found}
                cells |= {key: found[0][key] for key in ("roles", "items")}
                pairs.append(at | {"system": f"{one} - {other}"} | cells)
            ranks += [at | row for row in rank_rows(whole)]
            scales += [at | {"system": name} | scale_row(own) for name, own in systems.items()]
    for table in (rows, pairs, ranks, scales):
        table.sort(
            key=lambda row: (LANGUAGES.index(row["language"]), list(POOLS).index(row["domain"]))
        )
    ranked = {"rank": "Rank", "span": "95 %"}
    if all(row["span"] == EMPTY for row in ranks):
        del ranked["span"]  # the notes say why there is none
    sections = [
        Section(
            pairs,
            NAMES | {score: score for score in metrics} | {"overall": "Overall"} | SHARED,
            "Paired differences",
        ),
        Section(ranks, NAMES | ranked | SHARED, "Ranks"),
        Section(scales, NAMES | SCALES, "Other scales"),
    ]
    title = "Differences between systems"
    number = "eight" if metrics == PAPER_METRICS else len(metrics)
    write_table(
        rows,
        table_csv,
        table_md,
        table_tex,
        title,
        [
            *about_judge,
            *(note.format(number=number) for note in NOTES),
            *read.notes,
        ],
        sections=sections,
        header=HEADER,
    )


def whole_items(verdicts: list[Verdict], metrics: Sequence[str]) -> Items:
    """The ratios of each item that has all metrics, with overall as the last."""
    roles, values = matrix(verdicts, metrics)
    names = dict.fromkeys(verdict.id for verdict in verdicts)
    return {
        name: (role, ratios)
        for name, role, ratios in zip(names, roles, overall_added(values), strict=True)
        if not np.isnan(ratios).any()
    }


def shared_means(systems: Sequence[Items]) -> tuple[list[np.ndarray], int]:
    """The mean ratios of each role, (roles, scores) a system in one order of roles, over the items
    that all systems have, and how many those are."""
    shared = sorted(set.intersection(*map(set, systems))) if systems else []
    if not shared:
        return [], 0
    roles = [systems[0][name][0] for name in shared]
    means = []
    for own in systems:
        sums, counts = cluster_totals(roles, np.array([own[name][1] for name in shared]))
        means.append(sums / counts)
    return means, len(shared)


def pair_rows(one: Items, other: Items, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """A row a metric and one for overall: mean difference over shared items, p and adjusted p."""
    scores, (means, items) = with_overall(metrics), shared_means([one, other])
    if not items:
        empty = {"difference": None, "p": None, "p_holm": None, "roles": 0, "items": 0}
        return [{"metric": score} | empty for score in scores]
    apart = means[0] - means[1]
    found = sign_flip_p(apart) if len(apart) >= FEWEST else None
    p_values = [None] * len(scores) if found is None else found.tolist()
    adjusted = [*holm(p_values[:-1]), p_values[-1]]
    counts = {"roles": len(apart), "items": items}
    return [
        {"metric": score, "difference": float(mean), "p": p, "p_holm": p_holm} | counts
        for score, mean, p, p_holm in zip(
            scores, apart.mean(axis=0), p_values, adjusted, strict=True
        )
    ]


def rank_rows(systems: dict[str, Items]) -> list[dict[str, Any]]:
    """Each system's rank by overall and its interval, over the items that all systems share."""
    means, items = shared_means([*systems.values()])
    if not items:
        return []
    overall = np.array([own[:, -1] for own in means]).T
    places = rank_intervals(overall.mean(axis=0, keepdims=True))
    spans = [EMPTY] * len(means)
    if len(overall) >= ENOUGH:
        drawn = resampled_means(overall, np.ones_like(overall))
        spans = [f"{low} to {high}" for low, high in rank_intervals(drawn)]
    counts = {"roles": len(overall), "items": items}
    return [
        {"system": name, "rank": place[0], "span": span} | counts
        for name, place, span in sorted(
            zip(systems, places, spans, strict=True), key=lambda row: row[1]
        )
    ]


def scale_row(verdicts: list[Verdict]) -> dict[str, Any]:
    """Ratio, log ratio, difference and shares of win, tie and loss over all scores; how many
    there are, and how many are missing."""
    pairs = [(v.score_test, v.score_ref) for v in verdicts if ratio(v) is not None]
    if not pairs:
        return dict.fromkeys(SCALES) | {"n": 0, "missing": len(verdicts)}
    test, reference = np.array(pairs, float).T
    return {
        "ratio": float(np.mean(test / reference)),
        "log_ratio": float(np.mean(np.log(test / reference))),
        "difference": float(np.mean(test - reference)),
        "win": float(np.mean(test > reference)),
        "tie": float(np.mean(test == reference)),
        "loss": float(np.mean(test < reference)),
        "n": len(pairs),
        "missing": len(verdicts) - len(pairs),
    }


def _told(row: dict[str, Any]) -> str:
    """'difference (adjusted p)'."""
    if row["difference"] is None:
        return EMPTY
    p = "" if row["p_holm"] is None else f" ({row['p_holm']:.3f})"
    return f"{row['difference']:+.3f}{p}"


if __name__ == "__main__":
    stage.run(differences, globals().get("snakemake"))

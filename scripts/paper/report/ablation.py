"""Ablations: PeC and KC of an ablated system beside those of the full system.

A judge that sees who a role is must rank a system without its role prompt lower on personality
and knowledge consistency; the tables say so whichever way it falls.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scripts.paper.report.layout import Section
from scripts.paper.report.published import LANGUAGES, as_printed
from scripts.paper.report.scores import ratio
from scripts.paper.report.versioned_verdicts import without_version
from scripts.rows.judging import Verdict

COLUMNS = {
    "system": "Ablated system",
    "parent": "Made from",
    "metric": "Metric",
    "language": "Language",
    "n": "Items",
    "missing": "Missing",
    "roles": "Roles",
    "score": "Ablated",
    "parent_score": "Whole",
    "difference": "Difference",
    "lower_in": "Items lower",
    "direction": "Direction",
    "judge": "Judge",
}


def ablation_section(verdicts: list[Verdict], ablations: dict[str, str]) -> Section:
    """The rows as a section of a table for people."""
    title = "Ablation: a good judge ranks the ablated system lower on PeC and KC"
    return Section(ablation_rows(verdicts, ablations), COLUMNS, title)


def ablation_rows(verdicts: list[Verdict], ablations: dict[str, str]) -> list[dict[str, Any]]:
    """PeC and KC of each ablated system beside the system it was made from, item by item.

    One row an ablation, judge, metric and language (plus both together, if there are two); each
    version of a system is a system of its own. Only items scored for both systems count. `missing`
    is the number of items without a score of either, `lower_in` the number of items with a lower
    score of the ablated system. With n = 0 the scores are None.
    """
    languages = [name for name in LANGUAGES if any(v.language == name for v in verdicts)]
    groups = [*languages, "both"] if len(languages) > 1 else languages
    return [
        _ablation(own, system, parent, metric, language) | {"judge": judge}
        for judge in dict.fromkeys(verdict.judge for verdict in verdicts)
        for own in [[verdict for verdict in verdicts if verdict.judge == judge]]
        for ablated, whole in ablations.items()
        for system in _versions(own, as_printed(ablated))
        for parent in _versions(own, as_printed(whole))
        for metric in ("PeC", "KC")
        for language in groups
    ]


def _versions(verdicts: list[Verdict], system: str) -> list[str]:
    """The names under which a system has scores, or its own without any."""
    found = dict.fromkeys(v.system for v in verdicts if without_version(v.system) == system)
    return list(found) or [system]


def _ablation(
    verdicts: list[Verdict], system: str, parent: str, metric: str, language: str
) -> dict[str, Any]:
    """One row of `ablation_rows`."""
    values: dict[str, dict[str, float]] = {system: {}, parent: {}}
    roles = {verdict.id: verdict.role for verdict in verdicts}
    lost = set()
    for verdict in verdicts:
        wanted = verdict.metric == metric and language in (verdict.language, "both")
        if not wanted or verdict.system not in values:
            continue
        score = ratio(verdict)
        if score is not None:
            values[verdict.system][verdict.id] = score
        elif verdict.offered:
            lost.add(verdict.id)
    items = [name for name in values[system] if name in values[parent]]
    row = dict.fromkeys(COLUMNS) | {
        "system": system,
        "parent": parent,
        "metric": metric,
        "language": language,
        "n": len(items),
        "missing": len(lost),
        "roles": len({roles[name] for name in items}),
        "direction": "no items",
    }
    if not items:
        return row
    own = np.array([values[system][name] for name in items])
    other = np.array([values[parent][name] for name in items])
    lower = own.mean() < other.mean()
    return row | {
        "score": float(own.mean()),
        "parent_score": float(other.mean()),
        "difference": float(own.mean() - other.mean()),
        "lower_in": int((own < other).sum()),
        "direction": "lower, as expected" if lower else "not lower",
    }

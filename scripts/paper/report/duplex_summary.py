"""Means of duplex scores by system, collection, task and measure, with intervals over scenarios.

Takeover is never averaged over tasks: it is wanted in some and a fault in others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from scripts.duplex.measuring import label_of
from scripts.paper.report.statistics import (
    cluster_totals,
    percentile_interval,
    resampled_means,
    t_interval,
)
from scripts.rows.duplex import DuplexScore
from scripts.services import settings
from scripts.workflow import specs
from scripts.workflow.judge_told import place_of
from scripts.workflow.model_spec import ModelSpec


def rater_told(llm: ModelSpec) -> str:
    """A sentence on the language model that rates replies: how it is asked, and where it runs."""
    place = place_of(specs.option(llm, "address"), settings.rules().hosts)
    return (
        f"The judge of replies: {label_of(llm)}, by {llm.label}, which reads them and is asked "
        f"once for each rating, 0 to 5; {place}."
    )


@dataclass(frozen=True)
class Summary:
    """One measure of a system in a collection's items of one task."""

    system: str
    collection: str
    task: str
    metric: str
    form: str
    by: str
    value: float | None  # the mean; None without any value
    low: float | None  # of the 95 % interval
    high: float | None
    n: int  # items with a value
    missing: int  # items without one
    reason: str  # the most frequent one of these
    each: tuple[float, ...]  # the single gaps or overlaps that the items' values are means of


def summaries(
    rows: Iterable[DuplexScore], task: Callable[[DuplexScore], str] = lambda row: row.task
) -> list[Summary]:
    """The means, in the order in which their first rows come; by `task`, or a finer division.

    Intervals resample scenarios (20 and more), or are Student's t of the scenarios' means (5 and
    more); with fewer there is none.
    """
    groups: dict[tuple[str, str, str, str, str, str], list[DuplexScore]] = {}
    for row in rows:
        key = row.system, row.collection, task(row), row.metric, row.form, row.by
        groups.setdefault(key, []).append(row)
    return [_summary(key, group) for key, group in groups.items()]


def _summary(key: tuple[str, str, str, str, str, str], rows: list[DuplexScore]) -> Summary:
    known = [(row.scenario, row.value) for row in rows if row.value is not None]
    values = np.array([[value] for _, value in known])
    mean = interval = None
    if known:
        mean = float(values.mean())
        sums, counts = cluster_totals([scenario for scenario, _ in known], values)
        draws = resampled_means(sums, counts)[:, 0]
        interval = percentile_interval(draws, len(sums)) or t_interval((sums / counts)[:, 0])
    low, high = interval or (None, None)
    reasons = Counter(row.dropped or "" for row in rows if row.value is None)
    reason = reasons.most_common(1)[0][0] if reasons else ""
    each = tuple(value for row in rows for value in row.each)
    return Summary(*key, mean, low, high, len(known), len(rows) - len(known), reason, each)


def spread(one: Summary) -> str | None:
    """10th, 50th and 90th percentile of the single gaps or overlaps, and how many there are."""
    if not one.each:
        return None
    low, middle, high = np.quantile(one.each, [0.1, 0.5, 0.9])
    return f"{middle:.2f} ({low:.2f} to {high:.2f}, n = {len(one.each)})"


def cell(one: Summary) -> str | None:
    """The value for people; with the items that have one, if some have none."""
    if one.value is None:
        return f"– (0/{one.missing})"
    return f"{one.value:.3f}" + (f" ({one.n}/{one.n + one.missing})" if one.missing else "")

"""Scores from verdicts: the mean of test / reference (paper, section 4.2) and its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from scripts.common.errors import UserError
from scripts.paper.report.published import LANGUAGES, PAPER_METRICS
from scripts.paper.report.statistics import (
    cluster_totals,
    percentile_interval,
    resampled_means,
    t_interval,
)
from scripts.rows.judging import Verdict

POOLS = {
    "all": ("train", "out_of_domain"),
    "in_domain": ("train",),
    "out_of_domain": ("out_of_domain",),
}
PLACE = ("language", "domain", "system", "judge", "source")
NAMED = 10  # items with missing scores in an error


def with_overall(metrics: Sequence[str]) -> tuple[str, ...]:
    """The columns of scores: the metrics and overall."""
    return (*metrics, "overall")


def header(metrics: Sequence[str]) -> list[str]:
    """The columns of a table of scores."""
    scores = with_overall(metrics)
    parts = [f"{score}_{part}" for score in scores for part in ("lo", "hi", "n", "missing")]
    return [*PLACE, *scores, *parts]


def score_rows(
    verdicts: list[Verdict], domains: Sequence[str], metrics: Sequence[str] = PAPER_METRICS
) -> list[dict[str, Any]]:
    """One row a language, domain, system and judge; the columns are `header(metrics)`.

    `metrics` begin with the paper's. A score is the mean over items of score_test / score_ref,
    `overall` the mean of the paper's eight, as it is printed. `_lo` and `_hi` are the 95 % t
    interval of role means, None under five roles; `_boot_lo` and `_boot_hi`, beside those columns,
    the percentile interval of 10,000 resamples of roles, None under twenty. A missing score is
    counted in `_missing` and is in no mean; a metric without any score leaves it and `overall`
    empty. For `overall`, `_n` and `_missing` are summed over the eight. A system without items in a
    domain of its language has a row with n = 0, and so has one that does not speak the language.
    """
    rows = []
    for language in LANGUAGES:
        spoken = [verdict for verdict in verdicts if verdict.language == language]
        systems = dict.fromkeys((verdict.system, verdict.judge) for verdict in spoken)
        for domain in domains:
            for system, judge in systems:
                chosen = [
                    verdict
                    for verdict in spoken
                    if (verdict.system, verdict.judge) == (system, judge)
                    and verdict.pool in POOLS[domain]
                ]
                names = (language, domain, system, judge, "run")
                rows.append(dict(zip(PLACE, names, strict=True)) | _scores(chosen, metrics))
    return rows


def ratio(verdict: Verdict) -> float | None:
    """score_test / score_ref, None if one is missing."""
    if verdict.score_test is None or verdict.score_ref is None:
        return None
    return verdict.score_test / verdict.score_ref


def refuse_missing(verdicts: list[Verdict], most: float) -> None:
    """Raise UserError if a system lacks more than `most` (a share) of a judge's scores. What a
    service will not voice is no fault of the run: `unvoiced_notes` names it."""
    for system, judge in dict.fromkeys((v.system, v.judge) for v in verdicts):
        own = [v for v in verdicts if (v.system, v.judge) == (system, judge) and v.offered]
        lost = [v for v in own if ratio(v) is None and v.voiced]
        if len(lost) > most * len(own):
            items = dict.fromkeys(
                f"{v.role}, {v.mode} {v.idx} ({v.dropped or 'no reason given'})" for v in lost
            )
            more = f" and {len(items) - NAMED} more" if len(items) > NAMED else ""
            raise UserError(
                f"{len(lost)} of the {len(own)} scores of {system} by {judge} are missing, more "
                f"than max_missing ({most:.3g}) allows: {'; '.join([*items][:NAMED])}{more}. Have "
                "them made again (delete their files in results/judging: kept answers are used), "
                "complete the recorded answers or the released scores, or raise max_missing in the "
                "config."
            )


def missing_notes(verdicts: list[Verdict]) -> list[str]:
    """Sentences on each judge's missing scores and the reasons, if there are any."""
    notes = []
    for judge in dict.fromkeys(v.judge for v in verdicts):
        own = [v for v in verdicts if v.judge == judge and v.offered]
        why = Counter(v.dropped or "no reason given" for v in own if ratio(v) is None)
        if why:
            told = "; ".join(f"{reason}: {count}" for reason, count in why.most_common(NAMED))
            notes.append(f"`{judge}`: {why.total()} of {len(own)} scores are missing ({told}).")
    return notes


def unvoiced_notes(verdicts: list[Verdict]) -> list[str]:
    """A sentence on each system with items that a service will not voice, with the reasons."""
    items: dict[str, dict[str, Verdict]] = {}
    for verdict in verdicts:
        if verdict.offered:
            items.setdefault(verdict.system, {})[verdict.id] = verdict
    notes = []
    for system, own in items.items():
        gaps = [verdict for verdict in own.values() if not verdict.voiced]
        why = Counter(f"{v.role}: {v.dropped or 'no reason given'}" for v in gaps)
        if why:
            told = "; ".join(f"{reason} ({count})" for reason, count in why.most_common(NAMED))
            more = f"; and {len(why) - NAMED} other reasons" if len(why) > NAMED else ""
            notes.append(
                f"`{system}` lacks {len(gaps)} of {len(own)} items, which a service will not "
                f"voice: {told}{more}. They are gaps, and do not count towards max_missing."
            )
    return notes


def missing_rows(verdicts: list[Verdict]) -> list[dict[str, Any]]:
    """Counts of missing scores by language, system, metric and reason."""
    counts = Counter(
        (v.language, v.system, v.metric, v.dropped or "no reason given")
        for v in verdicts
        if ratio(v) is None
    )
    keys = ("language", "system", "metric", "reason")
    return [dict(zip(keys, key, strict=True)) | {"n": n} for key, n in counts.items()]


def _scores(verdicts: list[Verdict], metrics: Sequence[str]) -> dict[str, Any]:
    """The score columns of one row."""
    verdicts = [verdict for verdict in verdicts if verdict.offered]
    roles, values = matrix(verdicts, metrics)
    sums, counts = cluster_totals(roles, values)
    scored = counts.sum(axis=0).astype(int)
    absent: Counter[str] = Counter(verdict.metric for verdict in verdicts if ratio(verdict) is None)
    row: dict[str, Any] = dict.fromkeys(header(metrics)[len(PLACE) :])
    for column, metric in enumerate(metrics):
        row[f"{metric}_n"], row[f"{metric}_missing"] = int(scored[column]), absent[metric]
        if scored[column]:
            row[metric] = float(sums[:, column].sum() / scored[column])
    for part in ("n", "missing"):
        row[f"overall_{part}"] = sum(row[f"{metric}_{part}"] for metric in PAPER_METRICS)
    if scored[: len(PAPER_METRICS)].all():
        row["overall"] = float(np.mean([row[metric] for metric in PAPER_METRICS]))
    if scored.any():
        means = overall_added(
            np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
        )
        drawn = overall_added(resampled_means(sums, counts))
        clusters = (~np.isnan(means)).sum(axis=0)
        for column, score in enumerate(with_overall(metrics)):
            own = t_interval(means[:, column]) or (None, None)
            boot = percentile_interval(drawn[:, column], clusters[column]) or (None, None)
            row[f"{score}_lo"], row[f"{score}_hi"] = own
            row[f"{score}_boot_lo"], row[f"{score}_boot_hi"] = boot
    return row


def overall_added(means: np.ndarray) -> np.ndarray:
    """Means of the metrics, (rows, metrics), with that of the paper's eight as the last column."""
    eight = means[:, : len(PAPER_METRICS)]
    return np.hstack([means, eight.mean(axis=1, keepdims=True)])


def matrix(
    verdicts: list[Verdict], metrics: Sequence[str] = PAPER_METRICS
) -> tuple[list[str], np.ndarray]:
    """The role of each item, and the ratios as (items, metrics), NaN if missing."""
    items = {verdict.id: verdict.role for verdict in verdicts}
    place = {name: number for number, name in enumerate(items)}
    values = np.full((len(items), len(metrics)), np.nan)
    seen: set[tuple[str, str]] = set()
    for verdict in verdicts:
        if (verdict.id, verdict.metric) in seen:
            raise UserError(
                f"two verdicts of {verdict.judge} on {verdict.metric} of item {verdict.id} by "
                f"{verdict.system}; delete this judge's results to have them made again."
            )
        seen.add((verdict.id, verdict.metric))
        value = ratio(verdict)
        if value is not None and verdict.metric in metrics:
            values[place[verdict.id], metrics.index(verdict.metric)] = value
    return list(items.values()), values

"""Statistics of a judge audit: verdicts on perturbed pairs against those on the originals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from scripts.paper.report.statistics import cluster_totals, t_interval
from scripts.rows.jsonl import given
from scripts.rows.judging import Probe, Trial, Verdict

Pair = tuple[Probe | None, Probe]  # the original pair, and the perturbed one
Reading = tuple[float, float]  # scores of the reply and of the reference
FIRST, SECOND = "test first", "reference first"


def readings(row: Verdict) -> dict[tuple[str, int], Reading]:
    """The judge's scores, by the order of the sides and the sample.

    A judge without trials was given the pair once: reply first, unless swapped.
    """
    if row.trials:
        return {(trial.order, trial.sample): _scores(trial) for trial in row.trials}
    swapped = isinstance(row, Probe) and row.probe == "swapped"
    return {(SECOND if swapped else FIRST, 0): (given(row.score_test), given(row.score_ref))}


def shifts(pairs: list[Pair]) -> dict[str, float | None]:
    """Statistics of the score shifts."""
    moved, other = (
        np.array([getattr(row, side) - getattr(base, side) for base, row in pairs])
        for side in ("score_test", "score_ref")
    )
    return {
        **_mean("shift", [row.role for _, row in pairs], moved),
        "reference_shift": float(other.mean()),
        "unchanged": float((moved == 0).mean()),
        "within_1": float((np.abs(moved) <= 1).mean()),
    }


def same_reply(pairs: list[Pair]) -> dict[str, float | None]:
    """Differences between the scores of a reply and itself, answer by answer."""
    found = [
        (row.role, test - reference if order == FIRST else reference - test)
        for _, row in pairs
        for (order, _), (test, reference) in readings(row).items()
    ]
    apart = np.array([gap for _, gap in found])
    return {
        "agree": float((apart == 0).mean()),
        "mean_abs": float(np.abs(apart).mean()),
        **_mean("gap", [role for role, _ in found], apart),
    }


def again(pairs: list[Pair]) -> dict[str, float | None]:
    """Differences between repeated scores of the same reply."""
    apart = np.array([given(row.score_test) - given(given(base).score_test) for base, row in pairs])
    return {
        "agree": float((apart == 0).mean()),
        "mean_abs": float(np.abs(apart).mean()),
        "sd": float(np.sqrt(np.mean(apart**2) / 2)),
    }


def both_ways(rows: Iterable[Verdict]) -> list[tuple[str, Reading, Reading]]:
    """(role, reading with the reply first, reading with it second) of each sample of the rows."""
    found: dict[tuple, dict[str, Reading]] = defaultdict(dict)
    for row in rows:
        for (order, sample), reading in readings(row).items():
            found[(*key(row), row.role, sample)].setdefault(order, reading)
    return [
        (role, both[FIRST], both[SECOND]) for (*_, role, _), both in found.items() if len(both) == 2
    ]


def order_effect(found: list[tuple[str, Reading, Reading]]) -> dict[str, float | None]:
    """How often both orders agree on the winner, and how many points being A is worth."""
    first, second = (np.array([pair[i] for pair in found], float) for i in (1, 2))
    leads = [np.sign(two[:, 0] - two[:, 1]) for two in (first, second)]
    gaps = (first[:, 0] - first[:, 1] + second[:, 1] - second[:, 0]) / 2
    agree = {"agree": float((leads[0] == leads[1]).mean())}
    return agree | _mean("gap", [role for role, *_ in found], gaps)


def incomparable(pair: Pair) -> str | None:
    """Why two rows cannot be compared, or None."""
    base, row = pair
    if row.score_test is None:
        return row.dropped or "no reason given"
    if base is None:
        return "no verdict of this version on the pair as it is"
    if base.score_test is None:
        return f"on the pair as it is: {base.dropped or 'no reason given'}"
    return None


def key(row: Verdict) -> tuple[str, str, str]:
    return row.system, row.id, row.metric


def _mean(name: str, roles: list[str], values: np.ndarray) -> dict[str, float | None]:
    """The mean of values and the interval of role means."""
    sums, counts = cluster_totals(roles, values.reshape(-1, 1))
    low, high = t_interval((sums / counts)[:, 0]) or (None, None)
    return {name: float(values.mean()), f"{name}_lo": low, f"{name}_hi": high}


def _scores(trial: Trial) -> Reading:
    return trial.test, trial.reference

"""How sure a score is: cluster bootstrap over roles, rank correlation and its exact test.

Items of one role share its voice, profile and language model prompt, so they are not independent:
what is drawn again is whole roles (A. C. Cameron et al., "Bootstrap-Based Improvements for
Inference with Clustered Errors", 2008). Everything here is seeded and gives the same numbers in
every run.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Sequence

import numpy as np
from scipy.stats import norm, rankdata

EXACT_UP_TO = 9  # n! orders are tried: 362 880 for n = 9
TIE = 1e-9


def cluster_totals(
    clusters: Sequence[Hashable], values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts per cluster, each of shape (clusters, columns).

    `values` has shape (items, columns); NaN is a missing value, counted nowhere. Clusters are
    ordered by their names' text, so that the order of the items does not matter.
    """
    names = sorted(set(clusters), key=str)
    place = {name: number for number, name in enumerate(names)}
    rows = np.array([place[cluster] for cluster in clusters], dtype=int)
    sums = np.zeros((len(names), values.shape[1]))
    counts = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, rows, np.nan_to_num(values))
    np.add.at(counts, rows, ~np.isnan(values))
    return sums, counts


def resampled_means(
    sums: np.ndarray, counts: np.ndarray, draws: int = 2000, seed: int = 0
) -> np.ndarray:
    """Means of each column in `draws` resamples of the clusters, shape (draws, columns).

    A draw takes as many clusters as there are, with replacement, and all their items. Where the
    drawn clusters have no value in a column, its mean is NaN.
    """
    size = len(sums)
    taken = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=draws)
    n = taken @ counts
    return np.divide(taken @ sums, n, out=np.full(n.shape, np.nan), where=n > 0)


def percentile_interval(
    means: np.ndarray, clusters: int, level: float = 0.95
) -> tuple[float, float] | None:
    """The middle `level` of the resampled `means` (draws,); NaN draws are left out.

    None with fewer than two clusters: nothing can be said about the spread between roles. With
    few clusters the interval is too narrow.
    """
    means = means[~np.isnan(means)]
    if clusters < 2 or not len(means):
        return None
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def spearman(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's rho of two equally long lists (ties share their mean rank).

    None where it is not defined: fewer than two values, or all values of a list equal.
    """
    if len(x) != len(y):
        raise ValueError(f"lists of {len(x)} and {len(y)} values cannot be paired")
    return _correlation(rankdata(x), rankdata(y)) if len(x) > 1 else None


def spearman_p(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Two-sided p of Spearman's rho by all permutations of `y`.

    The share of the n! orders whose |rho| is at least the one observed, less a tolerance of 1e-9
    for rounding. None where rho is not defined or n > 9 (too many orders).
    """
    rho, n = spearman(x, y), len(x)
    if rho is None or n > EXACT_UP_TO:
        return None
    a, b = (rankdata(values) - (n + 1) / 2 for values in (x, y))
    orders = np.array(list(itertools.permutations(range(n))))
    every = b[orders] @ a / math.sqrt((a @ a) * (b @ b))
    return float(np.mean(np.abs(every) >= abs(rho) - TIE))


def spearman_interval(rho: float | None, n: int, level: float = 0.95) -> tuple[float, float] | None:
    """Interval of Spearman's rho by Fisher's z with variance 1.06 / (n - 3).

    The variance is that of E. C. Fieller, H. O. Hartley and E. S. Pearson, "Tests for rank
    correlation coefficients", 1957. None for n <= 3 and for |rho| = 1, where z is infinite.
    """
    if rho is None or n <= 3 or abs(rho) >= 1 - TIE:
        return None
    half = norm.ppf((1 + level) / 2) * math.sqrt(1.06 / (n - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def _correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt((a @ a) * (b @ b))
    return float(np.clip(a @ b / scale, -1, 1)) if scale else None

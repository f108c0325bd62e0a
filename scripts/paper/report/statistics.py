"""Statistics: intervals and tests over roles, rank correlation, agreement of raters.

Items of one role share its voice, profile and language model prompt, so they are not independent:
the unit is the role's mean, and resampling draws roles (A. C. Cameron et al., "Bootstrap-Based
Improvements for Inference with Clustered Errors", 2008). With few roles the bootstrap's coverage is
too low, so the interval of a score is Student's t of role means. Everything is seeded and
reproducible.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from scipy.stats import norm, permutation_test, rankdata, t

EXACT_UP_TO = 9  # n! orders are tried: 362 880 for n = 9
TIE = 1e-9
DRAWS = 10_000
FEWEST = 5  # clusters, for an interval
ENOUGH = 20  # clusters, for a bootstrap
FLIPPED = 16  # clusters up to which all sign patterns are tried


def cluster_totals(
    clusters: Sequence[Hashable], values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts per cluster, each of shape (clusters, columns).

    `values` has shape (items, columns); NaN is a missing value, not counted. Clusters are sorted by
    name, so that the order of the items does not matter.
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
    sums: np.ndarray, counts: np.ndarray, draws: int = DRAWS, seed: int = 0
) -> np.ndarray:
    """Means of each column in `draws` resamples of the clusters, shape (draws, columns).

    A draw takes as many clusters as there are, with replacement, and all their items. The mean of a
    column without values in the drawn clusters is NaN.
    """
    size = len(sums)
    taken = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=draws)
    n = taken @ counts
    return np.divide(taken @ sums, n, out=np.full(n.shape, np.nan), where=n > 0)


def percentile_interval(
    means: np.ndarray, clusters: int, level: float = 0.95
) -> tuple[float, float] | None:
    """The middle `level` of the resampled `means` (draws,); NaN draws are left out.

    None with fewer than 20 clusters, where such an interval is too narrow.
    """
    means = means[~np.isnan(means)]
    if clusters < ENOUGH or not len(means):
        return None
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def t_interval(means: np.ndarray, level: float = 0.95) -> tuple[float, float] | None:
    """Student's t interval of cluster means (clusters,) with G - 1 degrees of freedom.

    NaN is a cluster without a value. None with fewer than five clusters.
    """
    means = means[~np.isnan(means)]
    if len(means) < FEWEST:
        return None
    error = means.std(ddof=1) / math.sqrt(len(means))
    half = float(t.ppf((1 + level) / 2, len(means) - 1) * error)
    return float(means.mean()) - half, float(means.mean()) + half


def jackknife_interval(
    statistic: Callable[[np.ndarray], float | None], values: np.ndarray, clusters: np.ndarray
) -> tuple[float, float] | None:
    """Interval of any statistic of `values` (rows, items) whose items lie in `clusters` (items,).

    Student's t of the pseudo-values G * whole - (G - 1) * without (R. G. Miller, "The jackknife - a
    review", 1974). None with fewer than five clusters, or where the statistic is not defined.
    """
    names = sorted(set(clusters.tolist()))
    if len(names) < FEWEST:
        return None
    whole = statistic(values)
    parts = [statistic(values[:, clusters != name]) for name in names]
    if whole is None or None in parts:
        return None
    return t_interval(len(names) * whole - (len(names) - 1) * np.array(parts))


def sign_flip_p(differences: np.ndarray, seed: int = 0) -> np.ndarray | None:
    """Two-sided p of each column of paired differences, (clusters, columns), by sign flips.

    A cluster's signs are flipped together: all patterns up to 16 clusters, else 9,999 random ones.
    None with fewer than two clusters.
    """
    if len(differences) < 2:
        return None
    return permutation_test(
        (differences, np.zeros_like(differences)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf if len(differences) <= FLIPPED else DRAWS - 1,
        rng=seed,
    ).pvalue


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p values of one family, adjusted by Holm's method; None stays None."""
    from statsmodels.stats.multitest import multipletests

    given = [p for p in p_values if p is not None]
    adjusted = iter(multipletests(given, method="holm")[1] if given else ())
    return [None if p is None else float(next(adjusted)) for p in p_values]


def rank_intervals(means: np.ndarray, level: float = 0.95) -> list[tuple[int, int]]:
    """The middle `level` of each system's rank (1 = highest) in resampled `means` (draws, systems).

    Tied systems share the best rank. The draws must be of the same clusters for all.
    """
    ranks = rankdata(-means, axis=1, method="min")
    bounds = np.quantile(
        ranks, [(1 - level) / 2, (1 + level) / 2], axis=0, method="inverted_cdf"
    ).astype(int)
    return [(int(low), int(high)) for low, high in bounds.T]


def krippendorff_alpha(ratings: np.ndarray) -> float | None:
    """Krippendorff's alpha, ordinal, of `ratings` (raters, items); NaN is an item not rated.

    None if no item has two raters, or all ratings are equal.
    """
    import krippendorff

    shared = ratings[:, (~np.isnan(ratings)).sum(axis=0) > 1]
    if not shared.size or len(np.unique(shared[~np.isnan(shared)])) < 2:
        return None
    return float(krippendorff.alpha(shared, level_of_measurement="ordinal"))


def spearman(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's rho of two equally long lists (ties share their mean rank).

    None if undefined: fewer than two values, or all values of a list equal.
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


def rank_agreement(x: Sequence[float], y: Sequence[float]) -> dict[str, float | int | None]:
    """Spearman's rho of two lists, its exact p, its interval, and how many values there are."""
    rho, n = spearman(x, y), len(x)
    low, high = spearman_interval(rho, n) or (None, None)
    return {"rho": rho, "p_exact": spearman_p(x, y), "ci_lo": low, "ci_hi": high, "n": n}


def _correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt((a @ a) * (b @ b))
    return float(np.clip(a @ b / scale, -1, 1)) if scale else None

"""The statistics behind the tables: bootstrap over roles, rank correlation, exact test."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scripts.paper.report.statistics import (
    cluster_totals,
    holm,
    krippendorff_alpha,
    percentile_interval,
    rank_intervals,
    resampled_means,
    sign_flip_p,
    spearman,
    spearman_interval,
    spearman_p,
    t_interval,
)

ratios = st.floats(0.1, 10, allow_nan=False)
small = st.lists(st.integers(0, 9), min_size=3, max_size=6)


@st.composite
def clustered(draw):
    """Items of two or more clusters, each with at least one value."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=12))
    clusters = [f"role{k}" for k, size in enumerate(sizes) for _ in range(size)]
    values = draw(st.lists(ratios, min_size=len(clusters), max_size=len(clusters)))
    return clusters, np.array(values)[:, None]


def test_totals_count_missing_values_nowhere():
    values = np.array([[1.0, np.nan], [3.0, 4.0], [5.0, np.nan]])
    sums, counts = cluster_totals(["b", "a", "b"], values)
    assert sums.tolist() == [[3.0, 4.0], [6.0, 0.0]]
    assert counts.tolist() == [[1, 1], [2, 0]]


def test_resampling_equals_a_plain_loop():
    clusters = ["a", "a", "b", "c", "c", "c"]
    values = np.array([[1.0], [2.0], [4.0], [0.5], [0.6], [0.7]])
    sums, counts = cluster_totals(clusters, values)
    fast = resampled_means(sums, counts, draws=50, seed=3)[:, 0]
    taken = np.random.default_rng(3).multinomial(3, np.full(3, 1 / 3), size=50)
    slow = []
    for times in taken:
        drawn = [
            value
            for name, time in zip("abc", times, strict=True)
            for value, cluster in zip(values[:, 0], clusters, strict=True)
            if cluster == name
            for _ in range(time)
        ]
        slow.append(sum(drawn) / len(drawn))
    assert fast == pytest.approx(slow)


def test_a_draw_without_values_is_left_out_of_the_interval():
    sums, counts = cluster_totals(["a", "b"], np.array([[2.0], [np.nan]]))
    means = resampled_means(sums, counts)[:, 0]
    assert np.isnan(means).any()
    assert percentile_interval(means, clusters=20) == (2.0, 2.0)


@settings(max_examples=60, deadline=None)
@given(clustered())
def test_interval_holds_the_mean_and_stays_among_the_clusters(items):
    clusters, values = items
    sums, counts = cluster_totals(clusters, values)
    low, high = percentile_interval(resampled_means(sums, counts)[:, 0], clusters=20)
    assert low - 1e-9 <= values.mean() <= high + 1e-9
    means = sums / counts
    assert means.min() - 1e-9 <= low <= high <= means.max() + 1e-9


@settings(max_examples=30, deadline=None)
@given(clustered(), st.randoms(use_true_random=False))
def test_interval_does_not_depend_on_the_order_of_items(items, random):
    clusters, values = items
    order = list(range(len(clusters)))
    random.shuffle(order)
    first = resampled_means(*cluster_totals(clusters, values))
    second = resampled_means(*cluster_totals([clusters[k] for k in order], values[order]))
    assert second == pytest.approx(first)


def test_bootstrap_covers_the_true_mean_with_many_roles():
    rng, held = np.random.default_rng(1), 0
    for trial in range(200):
        roles = rng.normal(0.8, 0.1, 40)
        values = (roles[:, None] + rng.normal(0, 0.2, (40, 4))).reshape(-1, 1)
        sums, counts = cluster_totals([k // 4 for k in range(160)], values)
        low, high = percentile_interval(resampled_means(sums, counts, 500, trial)[:, 0], 40)
        held += low <= 0.8 <= high
    assert 0.90 <= held / 200 <= 0.99


def test_few_clusters_have_no_bootstrap():
    means = np.linspace(0, 1, 100)
    assert percentile_interval(means, clusters=19) is None
    assert percentile_interval(means, clusters=20) == pytest.approx((0.025, 0.975))


def test_t_interval_equals_that_of_scipy():
    means = np.array([0.5, 0.7, np.nan, 0.9, 0.4, 0.6])
    given = means[~np.isnan(means)]
    low, high = stats.t.interval(0.95, 4, given.mean(), stats.sem(given))
    assert t_interval(means) == pytest.approx((low, high))
    assert t_interval(means[:5]) is None  # four clusters


def test_t_interval_covers_the_true_mean_with_five_roles():
    rng = np.random.default_rng(2)
    held = [low <= 0.8 <= high for low, high in map(t_interval, rng.normal(0.8, 0.1, (400, 5)))]
    assert 0.92 <= np.mean(held) <= 0.98


def test_sign_flips_equal_a_plain_loop():
    values = np.array([0.3, -0.1, 0.4, 0.2, 0.5])
    patterns = list(itertools.product((-1, 1), repeat=5))
    sums = [abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in patterns]
    exact = sum(total >= abs(values.sum()) - 1e-9 for total in sums) / len(patterns)
    assert sign_flip_p(values[:, None]) == pytest.approx([exact])


def test_random_sign_flips_are_near_the_t_test():
    values = np.random.default_rng(5).normal(0.3, 1, (17, 2))
    found = sign_flip_p(values)
    assert found == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.03)
    assert np.array_equal(found, sign_flip_p(values))
    assert sign_flip_p(values[:1]) is None


def test_holm_multiplies_the_least_p_by_the_number_of_tests():
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm([None]) == [None]


def test_ranks_spread_where_systems_are_near():
    rng = np.random.default_rng(3)
    means = np.stack([rng.normal(m, 0.1, 4000) for m in (0.9, 0.5, 0.5)], axis=1)
    assert rank_intervals(means) == [(1, 1), (2, 3), (2, 3)]
    assert rank_intervals(np.array([[0.5, 0.5]])) == [(1, 1), (1, 1)]


def test_alpha_is_one_where_raters_agree_and_undefined_where_nothing_is_shared():
    ratings = np.array([[1, 5, 9, np.nan], [1, 5, 9, 3]], float)
    assert krippendorff_alpha(ratings) == pytest.approx(1)
    assert krippendorff_alpha(np.array([[1, 5, 9], [9, 5, 1]], float)) < 0
    assert krippendorff_alpha(np.array([[1, np.nan], [np.nan, 2]])) is None
    assert krippendorff_alpha(np.full((2, 3), 4.0)) is None


@settings(max_examples=20, deadline=None)
@given(st.data(), small)
def test_rho_and_p_equal_those_of_scipy(data, x):
    y = data.draw(st.lists(st.integers(0, 9), min_size=len(x), max_size=len(x)))
    rho = spearman(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert rho is None and spearman_p(x, y) is None
        return
    assert rho == pytest.approx(stats.spearmanr(x, y).statistic)
    ranks = stats.rankdata(y)
    exact = stats.permutation_test(
        (x,),
        # Rounded: SciPy's own tolerance is too small for ties at 0.
        lambda values: np.round(abs(stats.pearsonr(stats.rankdata(values), ranks).statistic), 9),
        permutation_type="pairings",
        alternative="greater",
        n_resamples=np.inf,
    )
    assert spearman_p(x, y) == pytest.approx(exact.pvalue)


@given(st.permutations(range(6)))
@settings(max_examples=20, deadline=None)
def test_p_does_not_change_with_sign_or_scale(order):
    x = list(range(6))
    p = spearman_p(x, order)
    assert 0 < p <= 1
    assert spearman_p(x, [-value for value in order]) == pytest.approx(p)
    assert spearman_p([value**3 for value in x], order) == pytest.approx(p)


def test_p_is_exact_up_to_nine_only():
    assert spearman_p(range(9), range(9)) == pytest.approx(2 / 362880)
    assert spearman_p(range(10), range(10)) is None
    with pytest.raises(ValueError, match="5 and 4"):
        spearman(range(5), range(4))


@given(st.floats(-0.99, 0.99), st.integers(4, 200))
def test_fisher_interval_holds_rho_and_narrows(rho, n):
    low, high = spearman_interval(rho, n)
    assert -1 <= low <= rho <= high <= 1
    wider = spearman_interval(rho, n, level=0.99)
    assert wider[0] <= low and high <= wider[1]


def test_fisher_interval_where_it_is_known_and_where_it_is_not_defined():
    assert spearman_interval(0.7714285714, 6) == pytest.approx((-0.1403, 0.9752), abs=1e-4)
    assert spearman_interval(1.0, 6) is None
    assert spearman_interval(0.5, 3) is None
    assert spearman_interval(None, 6) is None

"""Means and intervals of duplex scores."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scripts.paper.report.duplex_summary import spread, summaries
from tests.rows import duplex as made


def test_means_are_by_task_and_measure():
    rows = [
        made.score("a", 1.0, task="turn"),
        made.score("b", 0.0, task="pause"),
        made.score("c", 0.5, task="turn", form="corrected"),
        made.score("d", None, task="turn"),
    ]
    found = {(s.task, s.form): s for s in summaries(rows)}
    assert found["turn", "official"].value == 1 and found["turn", "official"].n == 1
    assert found["turn", "official"].missing == 1 and found["pause", "official"].value == 0
    assert found["turn", "corrected"].value == 0.5


def test_a_measure_without_values_has_no_mean():
    (found,) = summaries([made.score("a", None)])
    assert (found.value, found.low, found.high, found.n, found.missing) == (None, None, None, 0, 1)


def test_items_of_a_scenario_are_one_cluster():
    """Forty items of four scenarios are four clusters: too few for an interval."""
    rows = [made.score(f"i{n}", n % 2, scenario=f"s{n % 4}") for n in range(40)]
    (found,) = summaries(rows)
    assert found.low is None
    rows = [made.score(f"i{n}", n % 2, scenario=f"s{n % 40}") for n in range(80)]
    (found,) = summaries(rows)
    assert found.low is not None and found.low < 0.5 < found.high


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=5, max_size=30))
def test_the_mean_lies_inside_its_interval(values):
    (found,) = summaries([made.score(f"i{n}", value) for n, value in enumerate(values)])
    assert found.low - 1e-9 <= found.value <= found.high + 1e-9


def test_single_gaps_are_pooled_over_items():
    rows = [
        made.score("a", 0.2, metric="gap", each=[0.1, 0.3]),
        made.score("b", 0.5, metric="gap", each=[0.5]),
    ]
    (found,) = summaries(rows)
    # The median of .1, .3 and .5; the outer two by linear interpolation: .1 + .2 * .2, .5 - .2 * .2
    assert spread(found) == "0.30 (0.14 to 0.46, n = 3)"


def test_the_most_frequent_reason_is_told():
    rows = [made.score(key, None, dropped=why) for key, why in zip("abc", "xyx", strict=True)]
    assert summaries(rows)[0].reason == "x"

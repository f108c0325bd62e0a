"""Lettered options: which tokens count as one, and how their likelihood is used."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.json_path import at, count, text
from scripts.services import multiple_choice

ROW = st.lists(st.floats(0, 1), min_size=1, max_size=20).filter(lambda row: sum(row) > 0)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
)


@pytest.mark.parametrize(
    "reply", ["A", "(A)", "**A**", "A. Joe", "A) Joe\nHe says so.", "Ａ", " A\n"]
)
def test_a_letter_is_one_with_marks_around_it(reply):
    assert multiple_choice.letter_in(reply, 2) == "A"


@pytest.mark.parametrize("reply", ["a", "C", "AB", "A or B", "Joe", "", "A man", "Answer: A"])
def test_what_may_be_a_word_is_no_letter(reply):
    assert multiple_choice.letter_in(reply, 2) is None


@given(st.integers(1, 500))
def test_groups_hold_every_option_once(number):
    options = tuple(f"{n}" for n in range(number))
    parts = multiple_choice.groups(options)
    sizes = list(map(len, parts))
    assert sum(parts, ()) == options
    assert max(sizes) <= multiple_choice.TOP and max(sizes) - min(sizes) <= 1


@given(ROW)
def test_shares_become_log_probabilities(row):
    found = multiple_choice.normal(row)
    assert sum(map(math.exp, found)) == pytest.approx(1) and max(found) <= 1e-12
    assert row[found.index(max(found))] == pytest.approx(max(row))


@given(ROW, ROW, st.floats(0.01, 0.99))
def test_groups_keep_their_ratios_and_their_best_those_of_the_final(one, two, weight):
    floored = [[max(share, multiple_choice.FLOOR) for share in row] for row in (one, two)]
    whole = multiple_choice.combine(floored, [weight, 1 - weight])
    first, second = whole[: len(one)], whole[len(one) :]
    assert max(first) / max(second) == pytest.approx(weight / (1 - weight))
    for part, row in zip((first, second), floored, strict=True):
        assert [share / max(part) for share in part] == pytest.approx(
            [share / max(row) for share in row]
        )


def test_the_token_that_was_said_counts_though_it_is_not_among_the_likeliest():
    token = {"token": " B", "logprob": math.log(0.6)}
    token["top_logprobs"] = [{"token": "A", "logprob": math.log(0.3)}]
    tops = multiple_choice.rivals([token], "B")
    assert multiple_choice.shares("B", tops, 2) == pytest.approx([0.3, 0.6])


@given(JSON, st.lists(st.sampled_from(["a", "b", 0, 1]), max_size=4))
def test_json_of_any_shape_can_be_looked_into(found, path):
    assert isinstance(text(found, *path), str) and type(count(found, *path)) is int
    assert multiple_choice.rivals(found, "A") == [] and at(found) == found

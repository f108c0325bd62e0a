"""The scores themselves, compared with values computed by hand."""

from __future__ import annotations

import itertools

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.paper.report import corpus_scores

QUICK = settings(deadline=None, max_examples=60)
TRUE = [(0.0, 5.0, "ann"), (5.0, 10.0, "bob")]


def test_diarization_error_with_and_without_forgiveness():
    found = [(0.0, 6.0, "x"), (6.0, 10.0, "y")]
    assert corpus_scores.diarization_error(TRUE, found, 10, False) == pytest.approx((1.0, 10.0))
    # .25 s on both sides of 0, 5 and 10 do not count: 9 s are left, .75 s of them wrong.
    assert corpus_scores.diarization_error(TRUE, found, 10, True) == pytest.approx((0.75, 9.0))
    assert corpus_scores.diarization_error(TRUE, [], 10, False) == pytest.approx((10.0, 10.0))
    assert corpus_scores.diarization_error([], found, 10, False) is None


def test_overlap_counts_unless_forgiven():
    true = [*TRUE, (2.0, 3.0, "bob")]
    assert corpus_scores.diarization_error(true, TRUE, 10, False) == pytest.approx((1.0, 11.0))
    errors, _ = corpus_scores.diarization_error(true, TRUE, 10, True)
    assert errors == 0


def test_what_is_not_scored_costs_nothing():
    found = [(0.0, 5.0, "x"), (5.0, 6.0, "y"), (6.5, 8.0, "x")]  # after 6 s it is all wrong
    score = corpus_scores.diarization_error
    assert score(TRUE, found, 10, False) == pytest.approx((4.0, 10.0))
    assert score(TRUE, found, 10, False, [(6.0, 9.0), (8.5, 20.0)]) == pytest.approx((0.0, 6.0))
    assert score(TRUE, found, 10, True, [(6.0, 20.0)]) == pytest.approx((0.0, 5.25))
    assert score(TRUE, found, 10, False, [(0.0, 10.0)]) is None


def test_nobody_speaks_twice_at_once():
    twice = [*TRUE, TRUE[0], (1.0, 3.0, "ann"), (4.0, 5.0, "ann")]
    for forgiving in (False, True):
        for true, found in ((twice, TRUE), (TRUE, twice), (twice, [])):
            once = corpus_scores.diarization_error(TRUE, found and TRUE, 10, forgiving)
            assert corpus_scores.diarization_error(true, found, 10, forgiving) == pytest.approx(
                once
            )


SPANS = st.lists(
    st.tuples(st.integers(0, 100), st.integers(1, 40)).map(lambda s: (s[0] / 10, sum(s) / 10)),
    max_size=5,
)


@QUICK
@given(SPANS, SPANS, SPANS)
def test_time_that_is_not_scored_may_hold_anything(spans, unscored, noise):
    true = [(start, end, f"s{n % 3}") for n, (start, end) in enumerate(spans)]
    left = corpus_scores.without(true, unscored)
    assert all(end <= begin or stop <= start for start, end, _ in left for begin, stop in unscored)
    inside = [(start, end, "noise") for start, end in noise]
    outside = corpus_scores.without([(0.0, 20.0, "")], unscored)
    inside = corpus_scores.without(inside, [part[:2] for part in outside])
    error = corpus_scores.diarization_error(true, [*left, *inside], 20, False, unscored)
    assert error is None if not left else error[0] == pytest.approx(0, abs=1e-6)


def test_words_are_compared_after_normalisation():
    assert corpus_scores.word_error("Well, I'm going to -- Rio!", "well i am going to rio") == (
        0,
        6,
    )
    assert corpus_scores.word_error("twenty one dogs", "21 cats bark") == (2, 2)
    assert corpus_scores.word_error("one two", "") == (1, 1)  # "one two" is the number 12
    assert corpus_scores.word_error("...", "anything") is None


def test_characters_are_compared_without_punctuation():
    assert corpus_scores.character_error("你好，世界！", "你好 世界") == (0, 4)
    assert corpus_scores.character_error("灯塔在哪里", "灯塔再哪") == (2, 5)
    assert corpus_scores.character_error("。", "好") is None


def test_si_sdr_of_noise_at_a_known_level():
    rng = np.random.default_rng(0)
    clean = rng.standard_normal(100_000)
    noise = rng.standard_normal(100_000) * 10 ** (-10 / 20)
    assert corpus_scores.si_sdr(clean + noise, clean) == pytest.approx(10, abs=0.1)
    assert corpus_scores.si_sdr(np.zeros(10), clean[:10]) is None
    assert corpus_scores.si_sdr(clean, np.zeros(100_000)) is None


@pytest.mark.parametrize(
    "true, heard, pair",
    [
        ("I've { um / uh / @ } as far", "i have as far", (0, 4)),
        ("my { colour / favourite color } is red", "my colour is red", (0, 4)),
        ("my { colour / favourite color } is red", "my favourite color is red", (0, 5)),
        ("my { colour / favourite color } is red", "my is red", (1, 4)),
        ("so { well / @ } yes", "so yes", (0, 2)),
        ("so {LAUGH} yes", "so yes", (0, 2)),
        ("{ a b / { c / d } e } f", "d e f", (0, 3)),
        ("a { is only a sign", "a is only a sign", (0, 5)),
        ("@", "anything", None),
    ],
)
def test_the_best_alternative_counts(true, heard, pair):
    assert corpus_scores.word_error(true, heard) == pair


def test_characters_have_alternatives_too():
    assert corpus_scores.character_error("你 { 嗯 / @ } 好", "你好") == (0, 2)
    assert corpus_scores.character_error("{ 灯塔 / 那座灯塔 } 在哪", "那座灯塔在哪") == (0, 6)


@QUICK
@given(st.text("甲乙丙 ", max_size=12), st.text("甲乙丙丁", max_size=12))
def test_errors_are_those_of_the_library(true, heard):
    kept = true.replace(" ", "")
    wanted = jiwer.process_characters(kept, heard) if kept else None
    wrong = wanted and wanted.substitutions + wanted.deletions
    pair = wanted and (wrong + wanted.insertions, wrong + wanted.hits)
    assert corpus_scores.character_error(true, heard) == pair


OPTIONS = st.lists(st.text("甲乙丙", max_size=3), min_size=2, max_size=3)


@QUICK
@given(st.lists(st.one_of(st.text("甲乙丙", max_size=3), OPTIONS), max_size=4), st.text("甲乙丁"))
def test_no_choice_of_alternatives_is_better(parts, heard):
    notation = [
        part if isinstance(part, str) else f"{{ {' / '.join(word or '@' for word in part)} }}"
        for part in parts
    ]
    ways = itertools.product(*([part] if isinstance(part, str) else part for part in parts))
    pairs = [corpus_scores.character_error("".join(way), heard) or (len(heard), 0) for way in ways]
    best = min(pairs, key=lambda pair: (pair[0], -pair[1]))
    found = corpus_scores.character_error(" ".join(notation), heard)
    assert found == (best if best[1] else None)


@given(st.floats(0.01, 100), st.floats(-1, 1))
def test_si_sdr_knows_neither_scale_nor_offset(gain, offset):
    rng = np.random.default_rng(1)
    clean = rng.standard_normal(1000)
    estimate = clean + 0.3 * rng.standard_normal(1000)
    expected = corpus_scores.si_sdr(estimate, clean)
    assert corpus_scores.si_sdr(gain * estimate + offset, clean) == pytest.approx(
        expected, abs=1e-6
    )


def test_sums_and_ratios_of_what_is_known():
    assert corpus_scores.add([(1, 2), None, (3, 4)]) == (4, 6)
    assert corpus_scores.add([None]) is None
    assert corpus_scores.ratio((1, 4)) == 0.25
    assert corpus_scores.ratio(None) is None

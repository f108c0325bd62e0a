"""The scores themselves, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.paper import corpus_scores as scores

TRUE = [(0.0, 5.0, "ann"), (5.0, 10.0, "bob")]


def test_diarization_error_with_and_without_forgiveness():
    found = [(0.0, 6.0, "x"), (6.0, 10.0, "y")]
    assert scores.diarization_error(TRUE, found, 10, False) == pytest.approx((1.0, 10.0))
    # .25 s on both sides of 0, 5 and 10 do not count: 9 s are left, .75 s of them wrong.
    assert scores.diarization_error(TRUE, found, 10, True) == pytest.approx((0.75, 9.0))
    assert scores.diarization_error(TRUE, [], 10, False) == pytest.approx((10.0, 10.0))
    assert scores.diarization_error([], found, 10, False) is None


def test_overlap_counts_unless_forgiven():
    true = [*TRUE, (2.0, 3.0, "bob")]
    assert scores.diarization_error(true, TRUE, 10, False) == pytest.approx((1.0, 11.0))
    errors, _ = scores.diarization_error(true, TRUE, 10, True)
    assert errors == 0


def test_words_are_compared_after_normalisation():
    assert scores.word_error("Well, I'm going to -- Rio!", "well i am going to rio") == (0, 6)
    assert scores.word_error("twenty one dogs", "21 cats bark") == (2, 2)
    assert scores.word_error("one two", "") == (1, 1)  # "one two" is the number 12
    assert scores.word_error("...", "anything") is None


def test_characters_are_compared_without_punctuation():
    assert scores.character_error("你好，世界！", "你好 世界") == (0, 4)
    assert scores.character_error("灯塔在哪里", "灯塔再哪") == (2, 5)
    assert scores.character_error("。", "好") is None


def test_si_sdr_of_noise_at_a_known_level():
    rng = np.random.default_rng(0)
    clean = rng.standard_normal(100_000)
    noise = rng.standard_normal(100_000) * 10 ** (-10 / 20)
    assert scores.si_sdr(clean + noise, clean) == pytest.approx(10, abs=0.1)
    assert scores.si_sdr(np.zeros(10), clean[:10]) is None
    assert scores.si_sdr(clean, np.zeros(100_000)) is None


@given(st.floats(0.01, 100), st.floats(-1, 1))
def test_si_sdr_knows_neither_scale_nor_offset(gain, offset):
    rng = np.random.default_rng(1)
    clean = rng.standard_normal(1000)
    estimate = clean + 0.3 * rng.standard_normal(1000)
    expected = scores.si_sdr(estimate, clean)
    assert scores.si_sdr(gain * estimate + offset, clean) == pytest.approx(expected, abs=1e-6)


def test_found_speakers_are_whom_they_share_most_time_with():
    found = [(0, 4, "x"), (4, 6, "y"), (6, 10, "x"), (20, 21, "z")]
    assert scores.same_people(found, TRUE) == {"x": "ann", "y": "ann"}


def test_sums_and_ratios_of_what_is_known():
    assert scores.add([(1, 2), None, (3, 4)]) == (4, 6)
    assert scores.add([None]) is None
    assert scores.ratio((1, 4)) == 0.25
    assert scores.ratio(None) is None

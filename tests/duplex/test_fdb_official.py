"""Full-Duplex-Bench's published rules on small tables of words and spans, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from scripts.backends.asr import Word
from scripts.duplex import fdb_official as fdb
from tests.duplex.said import run, words

TAKEOVERS = [
    ([], 0),  # nothing was said
    (words((5.0, 5.4)), 0),  # 0.4 s, 1 word
    (words((5.0, 5.2), (5.3, 5.5), (5.6, 5.99)), 0),  # 0.99 s, 3 words: not more than three
    (words((5.0, 5.2), (5.3, 5.5), (5.6, 5.7), (5.7, 5.9)), 1),  # 0.9 s, but 4 words
    (words((5.0, 6.0)), 1),  # 1 word of 1.0 s
    (words((0.5, 0.7), (9.0, 9.2)), 1),  # oddity 2: two short words, 8.7 s from first to last
    (run(1.0, 20), 1),  # 6 s of talk
]


@pytest.mark.parametrize("heard, taken", TAKEOVERS)
def test_takeover(heard, taken):
    assert fdb.takeover(heard) == taken


@pytest.mark.parametrize(
    "activity, taken",
    [
        ([], 0),
        ([(2.0, 2.9)], 0),  # 0.9 s
        ([(2.0, 3.0)], 1),  # 1.0 s
        ([(2.0, 2.2), (2.5, 2.7)], 0),  # 0.7 s with the silence
        ([(2.0, 2.2), (3.0, 3.2)], 1),  # 1.2 s with the silence
        ([(0.0, 30.0)], 1),
    ],
)
def test_takeover_from_voice_activity(activity, taken):
    assert fdb.takeover_of_activity(activity) == taken


@pytest.mark.parametrize(
    "heard, turn_end, seconds",
    [
        (run(4.5, 5), 4.0, 0.5),  # 4.5 - 4.0
        (run(4.0, 5), 4.0, 0.0),
        (run(3.2, 5), 4.0, 0.0),  # oddity 3: -0.8 counts as 0
        (run(1.0, 1) + run(6.0, 5), 4.0, 0.0),  # oddity 4: the first word of all, at 1.0
        (run(6.25, 2) + run(8.0, 5), 4.0, 2.25),  # 6.25 - 4.0
        (run(4.5, 3), 4.0, None),  # 0.9 s and 3 words are no takeover
        ([], 4.0, None),
    ],
)
def test_response_latency(heard, turn_end, seconds):
    found = fdb.turn_latency(heard, turn_end)
    assert found.value == (None if seconds is None else pytest.approx(seconds))
    assert (found.reason == fdb.NOT_TAKEN) == (seconds is None)


INTERRUPTIONS = [
    # (words, end of the interruption, takeover, latency)
    (run(0.0, 10) + run(8.0, 5), 7.0, 1, 1.0),  # stopped at 3.0, answers at 8.0
    (run(0.0, 40), 7.1, 1, 0.1),  # oddity 5: never stopped; the word 7.2-7.5 is the first heard
    # of [6.9, 7.2) half lies after 7.0 (its middle is 7.05): it is cut there
    (words((6.9, 7.2), (7.2, 8.2)), 7.0, 1, 0.0),
    (words((6.7, 7.1)), 7.0, 0, None),  # its middle, 6.9, is before the end
    (run(0.0, 10), 7.0, 0, None),  # talked before the end only
    ([], 7.0, 0, None),  # oddity 6: a silent agent
    (run(7.5, 2), 7.0, 0, None),  # 0.6 s, 2 words
    (run(9.0, 5), 7.0, 1, 2.0),  # oddity 6: was silent when interrupted
]


@pytest.mark.parametrize("heard, end, taken, seconds", INTERRUPTIONS)
def test_interruptions(heard, end, taken, seconds):
    assert fdb.interruption_takeover(heard, end) == taken
    found = fdb.interruption_latency(heard, end).value
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_activity_after_a_crop():
    assert fdb.activity_after_crop([(0, 1), (2, 4), (5, 6)], 3) == [(3, 4), (5, 6)]


BACKCHANNELS = [
    # (segments, words, takeover, how many count)
    ([], [], 0, 0),
    ([(1.0, 1.4)], words((1.0, 1.4)), 0, 1),  # below 1 s with 1 word
    ([(1.0, 1.9)], words((1.0, 1.2), (1.3, 1.5), (1.6, 1.8)), 1, 1),  # below 1 s with 3: taken
    ([(1.0, 1.9)], words((1.0, 1.2), (1.3, 1.5)), 0, 1),  # below 1 s with 2 words
    ([(1.0, 2.0)], words((1.0, 2.0)), 1, 1),  # 1.0 s: taken, and counted (oddity 9)
    ([(1.0, 4.0)], [], 1, 1),  # 3.0 s is not more than 3
    ([(1.0, 4.1)], [], 1, 0),  # 3.1 s: taken, not counted
    ([(1.0, 2.5), (5.0, 5.4)], [], 0, 2),  # oddity 8: the second overwrites the first
    ([(1.0, 1.4), (3.0, 7.0), (8.0, 8.2)], [], 1, 1),  # oddity 9: none after the long one
    # a word counts for each segment that it overlaps: 2 in the first, 3 in the second
    ([(1.0, 1.5), (1.6, 2.2)], words((1.0, 1.2), (1.4, 1.7), (1.7, 1.9), (2.0, 2.1)), 1, 2),
]


@pytest.mark.parametrize("segments, heard, taken, count", BACKCHANNELS)
def test_backchannels(segments, heard, taken, count):
    found, counted = fdb.backchannels(segments, heard)
    assert (found, len(counted)) == (taken, count)
    assert fdb.frequency(counted, 20.0) == count / 20  # per second


DISTANCES = [
    # (spans, seconds, expected, distance)
    ([], 10.0, [1.0], 1.0),  # oddity 10
    ([(0.0, 0.2)], 0.4, [1, 0], 0.0),  # the same
    ([(0.0, 0.2)], 0.4, [0, 1], math.sqrt(math.log(2))),  # nothing in common
    # p (1, 0), q (1/2, 1/2), m (3/4, 1/4): (ln 4/3 + (ln 2/3 + ln 2) / 2) / 2 = .75 ln 4/3
    ([(0.0, 0.2)], 0.4, [1, 1], math.sqrt(0.75 * math.log(4 / 3))),
    # p (2, 1) / 3, q (1, 2) / 3, m (1/2, 1/2): both 2/3 ln 4/3 + 1/3 ln 2/3 = .056633
    ([(0.0, 0.2), (0.0, 0.4)], 0.4, [1, 2], math.sqrt(0.0566330)),
    # [1, 3] becomes (1, 2, 3) / 6; p (0, 1, 0), m (1/12, 2/3, 1/4): (ln 3/2 + (ln 2) / 3) / 2
    ([(0.3, 0.4)], 0.6, [1, 3], math.sqrt((math.log(1.5) + math.log(2) / 3) / 2)),
    ([(0.0, 0.2), (0.4, 0.6)], 0.4, [1, 0], 0.0),  # what comes after the end is dropped
    ([(0.1, 0.3)], 0.4, [1, 1], 0.0),  # it overlaps both bins
    ([(0.2, 0.2)], 0.4, [0, 1], 0.0),  # a moment has its bin
]


@pytest.mark.parametrize("spans, seconds, expected, distance", DISTANCES)
def test_distance(spans, seconds, expected, distance):
    assert fdb.distance(spans, seconds, expected) == pytest.approx(distance, abs=1e-4)


def test_a_detector_that_takes_24_khz_for_16_loses_what_it_moves_past_the_end():
    """Oddity 7: 4 to 4.4 s of 5 s become 6 to 6.6 s; 1 to 3.1 s become 1.5 to 4.65, over 3 s."""
    true = [(1.0, 3.1), (4.0, 4.4)]
    moved = [(1.5 * start, 1.5 * end) for start, end in true]
    assert fdb.backchannels(true, []) == (0.0, true)
    assert fdb.backchannels(moved, []) == (1.0, [])
    assert fdb.histogram([moved[1]], 5.0).sum() == 0


@given(st.lists(st.floats(0, 5), min_size=2, max_size=30), st.data())
@settings(max_examples=60, deadline=None)
def test_the_distance_is_scipys_and_within_its_bounds(counts, data):
    expected = data.draw(st.lists(st.floats(0.01, 1), min_size=1, max_size=40))
    found = fdb.divergence(np.array(counts), expected)
    assert 0 <= found <= math.sqrt(math.log(2)) + 1e-9
    places = np.linspace(0, 1, len(counts)), np.linspace(0, 1, len(expected))
    other = jensenshannon(np.array(counts) + 1e-10, np.interp(*places, expected) + 1e-10)
    assert found == pytest.approx(np.nan_to_num(other), abs=1e-6)


TALK = st.lists(
    st.tuples(st.floats(0, 2), st.floats(0.05, 1)), max_size=8
)  # silence before a word, its length


def laid_out(talk, start=0.0):
    found = []
    for silence, length in talk:
        start += silence
        found.append(Word("w", start, start := start + length))
    return found


@given(TALK, st.floats(0, 50))
@settings(max_examples=60, deadline=None)
def test_only_relative_times_matter(talk, shift):
    heard = laid_out(talk)
    moved = [Word(w.word, w.start + shift, w.end + shift) for w in heard]
    span = heard[-1].end - heard[0].start if heard else 0
    if abs(span - 1) > 1e-6:
        assert fdb.takeover(moved) == fdb.takeover(heard) in (0, 1)
        here, there = fdb.turn_latency(heard, 2.0).value, fdb.turn_latency(moved, 2.0 + shift).value
        assert (here is None) == (there is None)
        assert here is None or there == pytest.approx(here, abs=1e-6)


def test_controls():
    silent, always = [], run(0.0, 100)
    assert fdb.takeover(silent) == 0 == fdb.interruption_takeover(silent, 5.0)
    assert fdb.takeover(always) == 1 == fdb.interruption_takeover(always, 5.0)
    assert fdb.backchannels([(0.0, 30.0)], always) == (1.0, [])

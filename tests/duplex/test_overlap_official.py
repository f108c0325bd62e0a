"""Full-Duplex-Bench v1.5's measures by the published rules, worked out by hand."""

from __future__ import annotations

import pytest

from scripts.duplex import overlap_official as fdb
from tests.duplex.said import run, words

USER = [(1.0, 3.0), (6.0, 8.0)]  # a question, and what overlaps
STOPS = [
    # (user, agent, seconds of each stretch in which both talk)
    (USER, [(4.0, 7.0)], [1.0]),  # 6 to 7
    (USER, [(4.0, 20.0)], [2.0]),  # oddity 2: never stops, and has stopped with the user
    (USER, [(2.5, 7.0)], [0.5, 1.0]),  # oddity 1: 2.5 to 3 is no marked overlap
    (USER, [(3.5, 5.5), (8.5, 9.0)], []),  # never at once
    (USER, [], []),
    (USER, [(4.0, 6.5), (7.0, 9.0)], [2.0]),  # 0.5 s of silence is inside: 4 to 9
    (USER, [(4.0, 6.5), (7.1, 9.0)], [0.5, 0.9]),  # 0.6 s is not
    ([(1.0, 3.0), (3.6, 5.0)], [(2.0, 4.0)], [2.0]),  # the user's 0.6 s of silence is inside
    ([(1.0, 3.0), (3.7, 5.0)], [(2.0, 4.0)], [1.0, 0.3]),
]


@pytest.mark.parametrize("user, agent, each", STOPS)
def test_stop_latency(user, agent, each):
    found = fdb.stop_latency(user, agent)
    assert found.each == pytest.approx(each)
    assert found.value == (pytest.approx(sum(each) / len(each)) if each else None)
    assert bool(found.reason) == (not each)


RESPONSES = [
    # (user, agent, seconds from the user's ends to the agent's next beginnings)
    (USER, [(3.5, 7.0), (8.4, 12.0)], [0.5, 0.4]),
    (USER, [(3.5, 20.0)], [0.5]),  # oddity 3: never stops, no latency after what overlaps
    (USER, [(2.5, 7.0), (9.0, 12.0)], [1.0]),  # both ends come before 9: the later one counts
    (USER, [(3.0, 5.0)], []),  # at the user's end is not after it
    (USER, [], []),
    (USER, [(3.2, 3.6), (8.5, 8.7)], [0.2, 0.5]),  # oddity 3: "mm" answers nothing
    (USER, [(3.5, 6.5), (7.0, 9.0)], [0.5]),  # 0.5 s of silence begin nothing
    ([(1.0, 3.0), (3.6, 5.0)], [(3.2, 3.4), (5.5, 8.0)], [0.5]),  # one turn to 5
]


@pytest.mark.parametrize("user, agent, each", RESPONSES)
def test_response_latency(user, agent, each):
    found = fdb.response_latency(user, agent)
    assert found.each == pytest.approx(each)
    assert found.value == (pytest.approx(sum(each) / len(each)) if each else None)
    assert bool(found.reason) == (not each)


RATES = [
    # (words, end of the overlap, where what follows begins, change in words per minute)
    ([], 4.0, 4.0, 0),  # oddity 6
    (run(0, 10), 1.0, 0.9, 0),  # 0.3 s a word: 200 before and after; 0.9 to 1.2 goes on at 1
    (run(0, 4, 0.5) + run(5, 8, 0.25), 3.0, 5.0, 120),  # 120, then 240
    (run(5, 8, 0.25), 3.0, 5.0, 240),  # oddity 6: 0 before
    (run(0, 4, 0.5), 3.0, 2.0, -120),  # ends before: all of it is before, 0 after
    (run(0, 2, 0.5) + run(4, 2, 0.5) + run(9, 4, 0.5), 6.0, 9.0, 72),  # oddity 7: 4 in 5 s: 48
]


@pytest.mark.parametrize("said, end, place, change", RATES)
def test_rate_of_speaking(said, end, place, change):
    assert fdb.split(said, end) == pytest.approx(place)
    assert fdb.rate_change(said, end).value == pytest.approx(change)


SPLITS = [
    (words((1, 2), (2, 3)), 2.5, 2),  # inside a word: it belongs to what follows
    (words((1, 2), (4, 5)), 3.0, 4),  # between words
    (words((1, 2), (4, 5)), 4.0, 4),  # as a word begins
    (words((1, 2), (4, 5)), 5.0, 5),  # as the last one ends
    (words((1, 2)), 9.0, 2),
    ([], 9.0, 9),
]


@pytest.mark.parametrize("said, end, place", SPLITS)
def test_speech_is_divided_at_words(said, end, place):
    assert fdb.split(said, end) == place

"""Stopping, false starts, transfers of the floor and going on, worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.duplex import turn_taking
from scripts.duplex.fdb_corrected import NEVER_STOPPED, NOT_INTERRUPTED
from scripts.duplex.spans import utterances
from scripts.rows.duplex import Event


@pytest.mark.parametrize(
    "activity, start, seconds, reason",
    [
        ([(1.0, 5.4)], 5.0, 0.4, None),  # 5.4 - 5.0
        ([(1.0, 5.4), (5.7, 6.0)], 5.0, 1.0, None),  # 0.3 s of silence is no stop: 6.0 - 5.0
        ([(1.0, 5.4), (6.0, 9.0)], 5.0, 0.4, None),  # 0.6 s of silence is one
        ([(1.0, 20.0)], 5.0, None, NEVER_STOPPED),
        ([(1.0, 4.9)], 5.0, None, NOT_INTERRUPTED),
        ([], 5.0, None, NOT_INTERRUPTED),
        ([(5.2, 9.0)], 5.0, None, NOT_INTERRUPTED),  # begins after it
    ],
)
def test_stop_latency(activity, start, seconds, reason):
    found = turn_taking.stop_latency(utterances(activity), start, 20.0)
    assert found.value == (None if seconds is None else pytest.approx(seconds))
    assert found.reason == reason


@pytest.mark.parametrize(
    "activity, turns, count",
    [
        ([], [(1.0, 6.0)], 0),
        ([(3.0, 5.0)], [(1.0, 6.0)], 1),
        ([(3.0, 3.5)], [(1.0, 6.0)], 0),  # 0.5 s is no turn
        ([(6.5, 9.0)], [(1.0, 6.0)], 0),  # an answer
        ([(0.5, 9.0)], [(1.0, 6.0)], 0),  # began before the user did
        ([(2.0, 3.5), (4.2, 5.5), (8.0, 9.5)], [(1.0, 6.0), (7.5, 9.0)], 3),
        ([(2.0, 3.5)], [], None),
    ],
)
def test_false_starts(activity, turns, count):
    assert turn_taking.false_starts(utterances(activity), turns).value == count


@pytest.mark.parametrize(
    "activity, turns, seconds",
    [
        ([], [(0.0, 4.0)], []),
        ([(4.5, 8.0)], [(0.0, 4.0)], [0.5]),
        ([(3.6, 8.0)], [(0.0, 4.0)], [-0.4]),
        ([(4.5, 8.0)], [(0.0, 4.0), (9.0, 12.0)], [0.5, 1.0]),  # to the agent and back
        ([(2.0, 3.2)], [(0.0, 4.0)], []),  # within the user's turn: nothing is transferred
        ([(2.0, 3.2), (4.1, 8.0)], [(0.0, 4.0)], [0.1]),
        ([(5.0, 7.0), (8.0, 10.0)], [(0.0, 4.0)], [1.0]),  # twice the same side: one transfer
        ([(4.2, 4.6)], [(0.0, 4.0)], []),  # "mm-hm" takes no floor
    ],
)
def test_transfers(activity, turns, seconds):
    found = turn_taking.transfers(utterances(activity), turns)
    assert found == pytest.approx(seconds)
    gaps, overlaps = turn_taking.gaps(found), turn_taking.overlapping(found)
    assert gaps.each == pytest.approx([own for own in seconds if own >= 0])
    assert overlaps.each == pytest.approx([-own for own in seconds if own < 0])
    for own in (gaps, overlaps):
        assert own.value is None or own.value == pytest.approx(sum(own.each) / len(own.each))


@pytest.mark.parametrize(
    "activity, events, share",
    [
        ([(1.0, 9.0)], [(4.0, 4.5)], 1),  # on to 9.0, past 5.5
        ([(1.0, 4.8)], [(4.0, 4.5)], 0),  # stops at 4.8
        ([(1.0, 4.8), (6.0, 9.0)], [(4.0, 4.5)], 0),  # stops, then goes on
        ([(1.0, 3.0)], [(4.0, 4.5)], None),  # was silent
        ([(1.0, 9.0), (12.0, 12.8)], [(4.0, 4.5), (12.1, 12.4)], 0.5),
        ([(1.0, 9.0)], [(4.0, 4.5), (15.0, 15.2)], 1),  # silent at the second: left out
        ([(1.0, 20.0)], [(18.9, 19.8)], 1),  # to the end of the recording
        ([(1.0, 9.0)], [], None),
    ],
)
def test_kept_talking(activity, events, share):
    assert turn_taking.kept_talking(utterances(activity), events, 20.0).value == share


def test_turns_of_the_user():
    events = [
        Event(kind="user", start=1.0, end=3.0),
        Event(kind="pause", start=3.0, end=5.0),
        Event(kind="user", start=5.0, end=6.0),
        Event(kind="turn_end", start=6.0, end=6.0),
        Event(kind="interruption", start=9.0, end=11.0),
        Event(kind="noise", start=12.0, end=13.0),
    ]
    assert turn_taking.user_turns(events) == [(1.0, 6.0), (9.0, 11.0)]
    assert turn_taking.user_turns(events[1:2], [(1.0, 3.0), (5.0, 6.0)]) == [(1.0, 6.0)]
    # the words before the interruption are not marked, but heard; the noise is not the user's
    heard = [(1.0, 3.0), (9.0, 11.0), (12.0, 13.0)]
    assert turn_taking.user_turns(events[4:], heard) == [(1.0, 3.0), (9.0, 11.0)]


# In eighths of a second, which are exact: a shift makes no tie of what was none.
PARTS = st.lists(st.tuples(st.integers(5, 24), st.integers(1, 32)), max_size=6)


def laid(parts):
    time, found = 0.0, []
    for silence, length in parts:
        found.append((time + silence / 8, time := time + (silence + length) / 8))
    return found


@given(PARTS, PARTS, st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_transfers_are_relative_and_never_more_than_turns(agent, user, shift):
    here = turn_taking.transfers(utterances(laid(agent)), laid(user))
    assert len(here) < max(1, len(agent) + len(user))
    moved = [[(a + shift, b + shift) for a, b in laid(own)] for own in (agent, user)]
    assert turn_taking.transfers(utterances(moved[0]), moved[1]) == here

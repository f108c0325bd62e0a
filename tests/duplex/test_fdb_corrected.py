"""Full-Duplex-Bench's measures with their oddities mended, worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.duplex import fdb_corrected as fdb
from scripts.duplex.spans import Utterance, spoken, utterances, worded
from tests.duplex.said import run, said, words
from tests.duplex.test_fdb_official import TALK, laid_out

PAUSES = [
    # (utterances, pauses, takeover)
    (said(), [(3.0, 4.0)], 0),
    (said(run(3.2, 6)), [(3.0, 4.0)], 1),  # 3.2 to 5.0: a turn that begins in the pause
    (said(run(3.2, 2)), [(3.0, 4.0)], 0),  # 0.6 s with 2 words is none
    (said(words((3.1, 3.2), (3.2, 3.3), (3.3, 3.4), (3.4, 3.5))), [(3.0, 4.0)], 1),  # 4 words
    (said(run(7.0, 10)), [(3.0, 4.0)], 0),  # oddity 1: the answer after the pause
    (said(run(1.0, 6), run(7.0, 10)), [(3.0, 4.0)], 0),  # 1.0 to 2.8 and 7.0 on
    (said(run(1.0, 10)), [(3.0, 4.0)], 1),  # 1.0 to 4.0: holds the turn in the pause
    (said(run(4.0, 10)), [(3.0, 4.0)], 0),  # begins as the user goes on: a false start
    (said(run(6.1, 6)), [(3.0, 4.0), (6.0, 6.8)], 1),  # the second pause
    # oddity 2: "mm" at 3.2 and at 3.9 are two utterances
    (said(words((3.2, 3.3)), words((3.9, 4.0))), [(3.0, 4.0)], 0),
    # limits hold at any time of the file: in binary 4.6 - 3.6 is below 1, 4.1 - 3.6 below 0.5
    (utterances([(3.6, 4.6)]), [(3.0, 4.0)], 1),
    (said(words((3.2, 3.4), (3.4, 3.6)), words((4.1, 4.3), (4.3, 4.5))), [(3.0, 6.0)], 0),
]


@pytest.mark.parametrize("agent, pauses, taken", PAUSES)
def test_takeover_in_a_pause(agent, pauses, taken):
    assert fdb.pause_takeover(agent, pauses).value == taken


def test_without_a_marked_pause_there_is_no_takeover():
    assert fdb.pause_takeover(said(run(1, 9)), []).reason == "no pause is marked"


TURNS = [
    # (utterances, end of the turn, until, takeover, latency)
    (said(), 4.0, 20.0, 0, None),
    (said(run(4.5, 5)), 4.0, 20.0, 1, 0.5),
    (said(run(3.1, 9)), 4.0, 20.0, 1, -0.9),  # oddity 3: 3.1 to 5.8, 1.8 s of it after 4.0
    (said(run(3.1, 4)), 4.0, 20.0, 0, None),  # 3.1 to 4.3: 0.3 s and 1 word after 4.0
    (said(run(1.0, 5), run(5.0, 5)), 4.0, 20.0, 1, 1.0),  # oddity 4: not from 1.0
    (said(run(4.2, 1), run(6.0, 5)), 4.0, 20.0, 1, 2.0),  # "hm" at 4.2 is no turn
    (said(run(1.0, 5)), 4.0, 20.0, 0, None),  # oddity 1: only before the end
    (said(run(9.0, 5)), 4.0, 8.0, 0, None),  # the user went on at 8.0
    (said(words((4.5, 4.6)), words((9.0, 9.2))), 4.0, 20.0, 0, None),  # oddity 2
    (utterances([(4.5, 5.6)]), 4.0, 20.0, 1, 0.5),  # activity: 1.1 s
    (utterances([(4.5, 5.4)]), 4.0, 20.0, 0, None),  # activity: 0.9 s
]


@pytest.mark.parametrize("agent, end, until, taken, seconds", TURNS)
def test_response(agent, end, until, taken, seconds):
    assert fdb.turn_takeover(agent, end, until).value == taken
    found = fdb.turn_latency(agent, end, until)
    assert found.value == (None if seconds is None else pytest.approx(seconds))
    assert (found.reason == fdb.NOT_TAKEN) == (seconds is None)


CUT = (5.0, 7.0)  # the interruption, in a recording of 20 s
INTERRUPTIONS = [
    # (utterances, takeover, latency, reason of no latency)
    (said(run(2, 12), run(8, 5)), 1, 1.0, None),  # stops at 5.6, answers at 8.0
    (said(run(2, 12), run(6.4, 5)), 1, -0.6, None),  # answers 6.4 to 7.9: before the user ends
    (said(run(2, 60)), 0, None, fdb.NEVER_STOPPED),  # oddity 5: 2 to 20 s
    (said(run(2, 12)), 0, None, fdb.NOT_ANSWERED),  # stops, and says no more
    (said(run(2, 12), run(8, 2)), 0, None, fdb.NOT_ANSWERED),  # "mm-hm" is no answer
    (said(run(2, 5), run(8, 5)), None, None, fdb.NOT_INTERRUPTED),  # oddity 6: silent from 3.5
    (said(run(8, 5)), None, None, fdb.NOT_INTERRUPTED),
    (said(), 0, None, fdb.NOT_ANSWERED),  # says nothing at all
    (said(run(2, 20)), 0, None, fdb.NOT_ANSWERED),  # talks on to 8.0, 1 s past the user's end
    (said(run(2, 11), run(5.9, 3), run(9, 5)), 1, 2.0, None),  # 5.9 to 6.8 ends before the user
    (utterances([(2.0, 5.4), (7.3, 9.0)]), 1, 0.3, None),  # from voice activity
    (utterances([(2.0, 5.4), (5.8, 9.0)]), 0, None, fdb.NOT_ANSWERED),  # 0.4 s is no stop
]


@pytest.mark.parametrize("agent, taken, seconds, reason", INTERRUPTIONS)
def test_interruption(agent, taken, seconds, reason):
    found = fdb.interruption_takeover(agent, CUT, 20.0, 20.0)
    assert found.value == taken
    assert (found.note == fdb.NEVER_STOPPED) == (reason == fdb.NEVER_STOPPED)
    latency = fdb.interruption_latency(agent, CUT, 20.0, 20.0)
    assert latency.value == (None if seconds is None else pytest.approx(seconds))
    assert latency.reason == reason
    was = fdb.interrupted(agent, CUT).value
    assert was == (reason != fdb.NOT_INTERRUPTED and bool(agent))


def test_an_answer_after_the_user_talks_again_is_another_turn():
    agent = said(run(2, 12), run(12, 5))
    assert fdb.interruption_takeover(agent, CUT, 11.0, 20.0).value == 0
    assert fdb.interruption_takeover(agent, CUT, 20.0, 20.0).value == 1


STORY = (1.0, 11.0)
BACKCHANNELS = [
    # (activity, words, takeover, how many backchannels)
    ([], [], 0, 0),
    ([(2.0, 2.4)], words((2.0, 2.4)), 0, 1),
    ([(2.0, 2.9)], words((2.0, 2.2), (2.3, 2.5), (2.6, 2.8)), 1, 0),  # 3 words: taken (oddity 9)
    ([(2.0, 3.5), (5.0, 5.4)], [], 1, 1),  # oddity 8: the second does not overwrite
    ([(2.0, 2.4), (4.0, 8.0), (9.0, 9.2)], [], 1, 2),  # oddity 9: those after it count
    ([(11.5, 14.0)], [], 0, 0),  # oddity 11: the answer after the story
    ([(2.0, 2.4), (12.0, 12.4)], [], 0, 1),  # the second comes after the story
    ([(2.0, 2.4), (2.6, 3.2)], [], 1, 0),  # 0.2 s of silence: one utterance of 1.2 s
    ([(2.0, 2.4), (3.0, 3.4)], [], 0, 2),  # 0.6 s of silence: two
    ([(0.0, 20.0)], run(0.0, 60), 1, 0),  # always talking
]


@pytest.mark.parametrize("activity, heard, taken, count", BACKCHANNELS)
def test_backchannels(activity, heard, taken, count):
    agent = worded(activity, heard)
    assert fdb.backchannel_takeover(agent, STORY).value == taken
    assert len(fdb.backchannels(agent, STORY)) == count
    assert fdb.frequency(agent, STORY).value == pytest.approx(count / 10)  # a story of 10 s


DISTANCES = [
    # (activity, seconds, expected, distance); see test_fdb_official.py for the sums
    ([], 0.4, [1, 0], None),  # oddity 10
    ([(0.0, 0.2)], 0.4, [1, 0], 0.0),
    ([(0.0, 0.2)], 0.4, [0, 1], math.sqrt(math.log(2))),
    ([(0.0, 0.2)], 0.4, [1, 1], math.sqrt(0.75 * math.log(4 / 3))),
    ([(0.3, 0.4)], 0.6, [1, 3], math.sqrt((math.log(1.5) + math.log(2) / 3) / 2)),
    ([(0.0, 4.0)], 5.0, [1, 1], None),  # oddity 9: a turn of 4 s is no backchannel
    ([(0.0, 0.2), (1.0, 3.0)], 5.0, [1] + 24 * [0], 0.0),  # nor is one of 2 s
]


@pytest.mark.parametrize("activity, seconds, expected, distance", DISTANCES)
def test_distance(activity, seconds, expected, distance):
    found = fdb.distance(utterances(activity), (0.0, seconds), seconds, expected)
    assert found.value == (None if distance is None else pytest.approx(distance, abs=1e-4))
    assert (found.reason == fdb.NO_BACKCHANNEL) == (distance is None)


@given(TALK, st.floats(0, 50))
@settings(max_examples=60, deadline=None)
def test_only_relative_times_matter(talk, shift):
    agent = spoken(laid_out(talk))
    if any(abs(own.seconds - 1) < 1e-6 for own in agent):
        return

    def moved(times):
        return tuple((start + shift, end + shift) for start, end in times)

    later = [Utterance(*moved([(u.start, u.end)])[0], moved(u.words)) for u in agent]
    pause = [(2.0, 3.0)]
    assert fdb.pause_takeover(agent, pause) == fdb.pause_takeover(later, moved(pause))
    here = fdb.turn_latency(agent, 2.0, 30.0)
    there = fdb.turn_latency(later, 2.0 + shift, 30.0 + shift)
    assert here.reason == there.reason
    assert here.value is None or there.value == pytest.approx(here.value, abs=1e-6)


@given(TALK)
@settings(max_examples=60, deadline=None)
def test_a_takeover_is_0_or_1_and_a_backchannel_is_none(talk):
    agent = spoken(laid_out(talk))
    for found in (
        fdb.pause_takeover(agent, [(2.0, 3.0)]),
        fdb.turn_takeover(agent, 4.0, 20.0),
        fdb.interruption_takeover(agent, (2.0, 3.0), 20.0, 20.0),
        fdb.backchannel_takeover(agent, (0.0, 20.0)),
    ):
        assert found.value in (0, 1) or found.reason == fdb.NOT_INTERRUPTED
    assert not any(fdb.takes_turn(own) and fdb.is_backchannel(own) for own in agent)


def test_controls():
    """Silence takes nothing; who always talks takes everything, but answers no interruption."""
    for agent, taken in ((said(), 0), (said(run(0.0, 70)), 1)):
        assert fdb.pause_takeover(agent, [(3.0, 4.0)]).value == taken
        assert fdb.turn_takeover(agent, 5.0, 20.0).value == taken
        assert fdb.backchannel_takeover(agent, STORY).value == taken
        assert fdb.interruption_takeover(agent, CUT, 20.0, 20.0).value == 0

"""Full-Duplex-Bench v1.5's measures with their oddities mended, worked out by hand."""

from __future__ import annotations

import pytest

from scripts.duplex import overlap_corrected as fdb
from scripts.duplex.spans import utterances
from scripts.duplex.turn_taking import SILENT_AT

OVER, SECONDS = (5.0, 7.0), 20.0
LONG = [(2.0, 12.0)]  # the clean counterpart: an answer of 10 s
BEHAVIOURS = [
    # (activity, clean activity, label, seconds until it is silent, reason)
    ([(2.0, 12.0)], LONG, "went_on", None, fdb.NOT_STOPPED),
    ([(2.0, 8.0)], LONG, "went_on", None, fdb.NOT_STOPPED),  # 1 s longer than the overlap
    ([(2.0, 7.9)], LONG, "fell_silent", 2.9, None),
    ([(2.0, 5.6)], LONG, "fell_silent", 0.6, None),
    ([(2.0, 5.6), (8.0, 11.0)], LONG, "spoke_again", 0.6, None),
    ([(2.0, 5.6), (6.5, 9.0)], LONG, "spoke_again", 0.6, None),  # before the user has ended
    ([(2.0, 5.6), (8.0, 8.5)], LONG, "fell_silent", 0.6, None),  # 0.5 s is no turn
    ([(2.0, 5.6), (16.0, 18.0)], LONG, "fell_silent", 0.6, None),  # the user talked again at 15
    ([(2.0, 5.6), (6.0, 9.0)], LONG, "went_on", None, fdb.NOT_STOPPED),  # 0.4 s is no stop
    ([(2.0, 4.9), (8.0, 9.0)], LONG, None, None, SILENT_AT),  # oddity 4
    ([], LONG, None, None, SILENT_AT),
    ([(2.0, 5.6)], [(2.0, 5.6)], None, None, fdb.OF_ITSELF),  # oddity 5
    ([(2.0, 5.6)], [(2.0, 6.0)], None, None, fdb.OF_ITSELF),  # 0.4 s later
    ([(2.0, 5.6)], [(2.0, 6.1)], "fell_silent", 0.6, None),  # 0.5 s later
    ([(2.0, 5.6)], [(2.0, 4.0)], "fell_silent", 0.6, None),  # silent then without the overlap
    ([(2.0, 5.6), (8.0, 11.0)], None, "spoke_again", 0.6, None),  # no counterpart
]


@pytest.mark.parametrize("activity, clean, label, stop, reason", BEHAVIOURS)
def test_behaviour_and_stop_latency(activity, clean, label, stop, reason):
    said, without = utterances(activity), None if clean is None else utterances(clean)
    found = fdb.behaviour(said, without, OVER, 15.0, SECONDS, "went_on")
    assert found.label == (label or "")
    assert found.value == (None if label is None else label == "went_on")
    assert (found.reason is None) == (label is not None)
    latency = fdb.stop_latency(said, without, OVER, SECONDS)
    assert latency.value == (None if stop is None else pytest.approx(stop))
    assert latency.reason == reason
    alone = clean is None and label != "went_on"
    assert (found.note == fdb.ALONE) == (latency.note == fdb.ALONE) == alone


def test_an_interruption_wants_another_behaviour_than_other_overlaps():
    said, clean = utterances([(2.0, 5.6), (8.0, 11.0)]), utterances(LONG)
    wanted = [
        fdb.behaviour(said, clean, OVER, SECONDS, SECONDS, own).value for own in fdb.BEHAVIOURS
    ]
    assert wanted == [0, 1, 0]


def test_who_talks_to_the_end_of_the_recording_has_gone_on():
    said = utterances([(2.0, 7.45)])
    assert fdb.behaviour(said, None, OVER, 7.5, 7.5, "went_on").value == 1
    assert fdb.behaviour(said, None, OVER, 8.5, 8.5, "went_on").value == 0


CHANGES = [
    # (activity, clean activity, seconds more from 5 to 20 s)
    (LONG, LONG, 0),
    ([(2.0, 5.6)], LONG, -6.4),  # 0.6 - 7
    ([(2.0, 5.6), (8.0, 18.0)], LONG, 3.6),  # 10.6 - 7
    ([], LONG, -7),
    ([(6.0, 9.0)], [], 3),  # talks because of it
    ([(0.0, 20.0)], [(0.0, 20.0)], 0),
    ([(2.0, 12.0)], [(2.0, 25.0)], -8),  # what lies beyond the end does not count: 7 - 15
]


@pytest.mark.parametrize("activity, clean, change", CHANGES)
def test_talking_more_or_less_than_without_the_overlap(activity, clean, change):
    assert fdb.talk_change(activity, clean, 5.0, 20.0) == pytest.approx(change)

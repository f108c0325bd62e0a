"""Segments: what is joined, cut or dropped, and that nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import backends
from scripts.common import audio
from scripts.common.errors import UserError
from scripts.corpus import segment as module
from scripts.corpus.segment import Limits, cut, segment
from scripts.rows.corpus import Segment
from scripts.rows.jsonl import read_rows, write_rows
from tests.rows import recording, turn

LIMITS = Limits(3000, 10_000, 2000)
QUIET = np.zeros(0, np.float32)


def cuts(turns, speech, samples=QUIET, limits=LIMITS):
    speech = [(module.to_ms(start), module.to_ms(end)) for start, end in speech]
    return cut("m", turns, speech, samples, limits)


def summary(rows):
    return [(row.start, row.end, row.speaker, row.dropped) for row in rows]


def test_a_short_piece_joins_the_next_of_its_speaker():
    rows = cuts([turn(0, 1), turn(1.2, 6)], [(0, 1), (1.2, 6)])
    assert summary(rows) == [(0, 6, "speaker_0", None)]
    assert rows[0].speech == 5.8


def test_a_short_piece_joins_the_one_before_it_too():
    rows = cuts([turn(0, 8)], [(0, 4), (5, 6)])
    assert summary(rows) == [(0, 6, "speaker_0", None)]


def test_nobody_is_joined_over_somebody_else():
    turns = [turn(0, 1), turn(1.05, 1.15, "speaker_1"), turn(1.2, 6)]
    rows = cuts(turns, [(0, 1), (1.2, 6)])
    assert summary(rows) == [
        (0, 1, "speaker_0", "shorter than 3 s"),
        (1.05, 1.15, "speaker_1", "no speech found"),
        (1.2, 6, "speaker_0", None),
    ]


def test_a_long_pause_is_not_joined():
    rows = cuts([turn(0, 9)], [(0, 1), (3.1, 9)])
    assert summary(rows) == [
        (0, 1, "speaker_0", "shorter than 3 s"),
        (3.1, 9, "speaker_0", None),
    ]


def test_two_speakers_at_once_are_cut_out_and_kept_as_a_row():
    rows = cuts([turn(0, 5), turn(4, 9, "speaker_1")], [(0, 9)])
    assert summary(rows) == [
        (0, 4, "speaker_0", None),
        (4, 5, "speaker_0", "two speakers at once"),
        (5, 9, "speaker_1", None),
    ]


def test_a_backend_that_marks_overlap_is_believed():
    rows = cuts([turn(0, 4), turn(4, 5, overlap=True), turn(5, 9)], [(0, 9)])
    assert [row.dropped for row in rows] == [None, "two speakers at once", None]


def test_long_speech_is_cut_at_its_longest_pause():
    rows = cuts([turn(0, 12)], [(0, 4), (4.3, 7), (7.1, 12)])
    assert summary(rows) == [(0, 4, "speaker_0", None), (4.3, 12, "speaker_0", None)]


def test_a_pause_over_half_a_second_parts_clips_that_are_long_enough():
    rows = cuts([turn(0, 8)], [(0, 3.5), (4.2, 8)])
    assert [row.end - row.start for row in rows] == pytest.approx([3.5, 3.8])
    assert len(cuts([turn(0, 8)], [(0, 3.5), (3.9, 8)])) == 1


def test_speech_without_a_pause_is_cut_evenly_where_it_is_quiet():
    samples = np.ones(16 * 12_000, np.float32)
    samples[16 * 6100 : 16 * 6200] = 0
    rows = cuts([turn(0, 12)], [(0, 12)], samples)
    assert summary(rows) == [(0, 6.1, "speaker_0", None), (6.1, 12, "speaker_0", None)]


def test_a_short_piece_beside_a_full_one_is_not_lost():
    rows = cuts([turn(0, 13)], [(0, 2.9), (3.1, 12.9)], np.ones(16 * 13_000, np.float32))
    assert [row.dropped for row in rows] == [None, None]


seconds = st.integers(0, 40_000).map(lambda value: value / 1000)


@st.composite
def spans(draw, size):
    edges = sorted(draw(st.sets(seconds, min_size=2, max_size=size)))
    return list(zip(edges[::2], edges[1::2], strict=False))


@st.composite
def many_turns(draw):
    turns = []
    for speaker in range(draw(st.integers(1, 3))):
        for start, end in draw(spans(14)):
            overlap = draw(st.integers(0, 9)) == 0
            turns.append(turn(start, end, f"speaker_{speaker}", overlap=overlap))
    return sorted(turns, key=lambda row: row.start)


@settings(max_examples=150, deadline=None)
@given(many_turns(), spans(20), st.sampled_from([LIMITS, Limits(3000, 5000, 300)]))
def test_what_always_holds(turns, speech, limits):
    rows = cuts(turns, speech, limits=limits)
    detected = [(module.to_ms(start), module.to_ms(end)) for start, end in speech]
    talks = [module.snapped(turn, detected) for turn in turns]
    kept = [row for row in rows if row.dropped is None]
    times = [time for row in rows for time in (row.start, row.end)]
    assert times == sorted(times) and len({row.id for row in rows}) == len(rows)
    for row in kept:
        assert limits.shortest <= module.to_ms(row.end) - module.to_ms(row.start) <= limits.longest
        for other in talks:
            shared = min(module.to_ms(row.end), other.end) - max(
                module.to_ms(row.start), other.start
            )
            assert shared <= 0 or (other.speaker == row.speaker and not other.overlap)
    covered, spoken = np.zeros((2, 40_000), bool)
    for talk in talks:
        covered[talk.start : talk.end] = True
    for start, end in detected:
        spoken[start:end] = True
    assert sum(module.to_ms(row.speech) for row in rows) == int((covered & spoken).sum())


def test_a_turn_that_ends_inside_a_word_is_moved_to_the_pause():
    rows = cuts([turn(0, 3.9), turn(3.9, 8, "speaker_1")], [(0, 4), (4.3, 8)])
    assert summary(rows) == [(0, 4, "speaker_0", None), (4.3, 8, "speaker_1", None)]


@given(spans(20), seconds, seconds)
def test_ends_of_turns_move_little_and_never_past_each_other(speech, one, two):
    detected = [(module.to_ms(start), module.to_ms(end)) for start, end in speech]
    before = sorted(map(module.to_ms, (one, two)))
    after = [module.to_pause(time, detected) for time in before]
    assert after == sorted(after)
    moved = [abs(a - b) for a, b in zip(before, after, strict=True)]
    assert max(moved) < module.EDGE


@settings(max_examples=100, deadline=None)
@given(spans(16))
def test_one_speaker_with_short_pauses_loses_nothing(speech):
    """Where the whole run is long enough, no speech of it is dropped."""
    limits = Limits(3000, 10_000, 40_000)
    first, last = speech[0][0], speech[-1][1]
    gaps = [b[0] - a[1] for a, b in zip(speech, speech[1:], strict=False)]
    rows = cuts([turn(0, 40)], speech, limits=limits)
    if last - first >= 3 and max(gaps, default=0) <= 2:
        assert [row.dropped for row in rows] == [None] * len(rows)


def test_the_stage_reads_vocals_and_writes_rows(tmp_path, monkeypatch):
    class Detector:
        def speech(self, samples):
            assert len(samples) == 16_000 * 5
            return [(0.5, 4.5)]

    monkeypatch.setattr(backends, "load", lambda spec: Detector())
    (tmp_path / "vocals").mkdir()
    audio.write(tmp_path / "vocals/m.flac", np.zeros(16_000 * 5, np.float32))
    media = [
        recording(duration=5),
        recording("bad", file=None, dropped="no audio stream"),
    ]
    write_rows(tmp_path / "vocals.jsonl", media)
    write_rows(tmp_path / "turns.jsonl", [turn(0, 5)])
    paths = [tmp_path / name for name in ("vocals", "vocals.jsonl", "turns.jsonl", "out.jsonl")]
    segment(*paths, vad={}, shortest=3, longest=10, join_gap=2)
    assert summary(read_rows(paths[-1], Segment)) == [(0.5, 4.5, "speaker_0", None)]


def test_nothing_to_do_loads_no_model(tmp_path, monkeypatch):
    monkeypatch.setattr(backends, "load", lambda spec: pytest.fail("a model was loaded"))
    for name in ("recordings", "turns"):
        write_rows(tmp_path / name, [])
    segment(tmp_path, tmp_path / "recordings", tmp_path / "turns", tmp_path / "out", {}, 3, 10, 2)
    assert read_rows(tmp_path / "out", Segment) == []


def test_limits_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(UserError, match="below `longest`"):
        segment(tmp_path, tmp_path, tmp_path, tmp_path, {}, 10, 3, 2)

"""Changes of the agent's speech by an overlap, with tones of known pitch and level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts.duplex import adaptation
from scripts.duplex.track import Track
from tests.duplex.said import run
from tests.duplex.simulated_models import RATE

SECONDS = 8.0


def sounding(sound: np.ndarray, activity: list[tuple[float, float]]) -> Track:
    found = Track(Path(), SECONDS, activity, [], {})
    found.samples = sound  # in place of the file's
    return found


def track(*parts: tuple[float, float, float, float]) -> Track:
    """A side of harmonic tones: start, end, pitch in Hz, amplitude."""
    time = np.arange(round(SECONDS * RATE)) / RATE
    sound = np.zeros(len(time), np.float32)
    for start, end, pitch, level in parts:
        on = (time >= start) & (time < end)
        waves = sum(np.sin(2 * np.pi * n * pitch * time) / n for n in range(1, 6))
        sound += (level * waves * on).astype(np.float32)
    return sounding(sound, [(a, b) for a, b, *_ in parts])


FROM = 4.0  # the overlap ends, and what follows begins
OFFICIAL = [
    # (parts, change of pitch in Hz, of level in dB)
    ([(1, 3, 200, 0.1), (5, 7, 200, 0.1)], 0, 0),
    ([(1, 3, 200, 0.1), (5, 7, 220, 0.1)], 20, 0),
    ([(1, 3, 200, 0.1), (5, 7, 200, 0.05)], 0, -6.02),  # half the amplitude
    ([(1, 7, 150, 0.1)], 0, 0),
    ([(1, 3, 220, 0.05), (5, 7, 110, 0.1)], -110, 6.02),
    ([(5, 7, 200, 0.1)], 200, None),  # oddity 6: nothing before is 0 Hz
]


@pytest.mark.parametrize("parts, pitch, level", OFFICIAL)
def test_before_and_after(parts, pitch, level):
    found = adaptation.official(track(*parts), FROM)
    assert found["pitch_change"].value == pytest.approx(pitch, abs=1)
    if level is not None:
        assert found["level_change"].value == pytest.approx(level, abs=0.2)
        assert abs(found["pitch_spread_change"].value) < 1
    assert set(found) == set(adaptation.CHANGES)


CLEAN = [(1, 7, 200, 0.1)]
CORRECTED = [
    # (parts, those of the clean counterpart, change of pitch in semitones, of level in dB, reason)
    ([(1, 7, 200, 0.1)], CLEAN, 0, 0, None),
    ([(1, 3, 200, 0.1), (5, 7, 400, 0.1)], CLEAN, 12, 0, None),  # an octave
    ([(1, 3, 200, 0.1), (5, 7, 100, 0.2)], CLEAN, -12, 6.02, None),
    ([(1, 3, 400, 0.9), (5, 7, 200, 0.1)], CLEAN, 0, 0, None),  # before does not matter
    ([(1, 3, 200, 0.1), (5, 5.9, 200, 0.1)], CLEAN, None, None, "0.90 s of speech after"),
    ([(1, 7, 200, 0.1)], [(1, 4.2, 200, 0.1)], None, None, "0.20 s without it"),
    ([], CLEAN, None, None, "0.00 s of speech after the overlap, 3.00 s without it"),
]


@pytest.mark.parametrize("parts, clean, pitch, level, reason", CORRECTED)
def test_against_the_clean_counterpart(parts, clean, pitch, level, reason):
    found = adaptation.corrected(track(*parts), track(*clean), (FROM, SECONDS))
    if reason:
        assert all(reason in own.reason for own in found.values())
    else:
        assert found["pitch_change"].value == pytest.approx(pitch, abs=0.2)
        assert found["level_change"].value == pytest.approx(level, abs=0.2)


RATES = [
    # (words, activity, words of the clean counterpart, its activity, change in words a minute)
    (run(4, 10), [(4, 7)], run(4, 10), [(4, 7)], 0),
    (run(4, 10), [(4, 7)], run(4, 5, 0.6), [(4, 7)], 100),  # 200 - 100
    (run(4, 10), [(4, 5), (6, 8)], run(4, 10), [(4, 7)], 0),  # oddity 7: 3 s of talking
    (run(1, 20), [(1, 7)], run(4, 10), [(4, 7)], 0),  # before does not count
    ([], [(4, 7)], run(4, 10), [(4, 7)], -200),  # talks without words
    (run(4, 3), [(4, 4.9)], run(4, 10), [(4, 7)], None),  # less than 1 s
]


@pytest.mark.parametrize("said, activity, clean, there, change", RATES)
def test_rate_of_speaking(said, activity, clean, there, change):
    sides = [sounding(np.zeros(round(SECONDS * RATE)), own) for own in (activity, there)]
    found = adaptation.rate_change(*sides, (said, clean), (FROM, SECONDS))
    assert found.value == (None if change is None else pytest.approx(change))


def test_what_has_no_pitch_or_level_is_no_zero():
    silent = track((1, 7, 200, 0.0))
    found = adaptation.corrected(silent, track(*CLEAN), (FROM, SECONDS))
    assert "no pitch" in found["pitch_change"].reason
    assert "digital silence" in found["level_spread_change"].reason

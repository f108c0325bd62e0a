"""Where speech begins and ends in a sound, and how loud noises are."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.duplex import pieces
from scripts.duplex.material import read_known

CONFIG = Path(__file__).resolve().parents[2] / "config/duplex"
RATE = 24_000


@settings(max_examples=60, deadline=None)
@given(
    before=st.integers(0, 400),
    length=st.integers(20, 900),
    after=st.integers(0, 400),
    loud=st.floats(0.01, 0.9),
    rate=st.sampled_from([8000, 16_000, 24_000, 48_000]),
)
def test_edges_are_found_to_the_millisecond(before, length, after, loud, rate):
    ms = rate // 1000
    tone = loud * np.sin(2 * np.pi * 250 * np.arange(length * ms) / rate)
    hiss = np.random.default_rng(0).uniform(-1, 1, (before + length + after) * ms) * loud / 2000
    samples = hiss.copy()
    samples[before * ms : (before + length) * ms] += tone
    assert pieces.edges(samples.astype(np.float32), rate) == (before * ms, (before + length) * ms)


def test_a_voice_whose_noise_hides_where_speech_ends_is_not_used():
    tone = 0.3 * np.sin(2 * np.pi * 250 * np.arange(RATE) / RATE)
    hiss = np.random.default_rng(0).uniform(-1, 1, 2 * RATE) * 0.02  # 24 dB below the tone
    for samples, end in ((np.r_[tone, hiss], "end"), (np.r_[hiss, tone], "beginning")):
        with pytest.raises(ValueError, match=f"a noise hides its {end}"):
            pieces.piece(samples.astype(np.float32), RATE)
    short = np.r_[tone, hiss[: RATE // 5]].astype(np.float32)
    assert len(pieces.piece(short, RATE)) == RATE * 6 // 5


def test_silence_and_what_is_no_number_is_no_piece():
    with pytest.raises(ValueError, match="it is silent"):
        pieces.piece(np.zeros(2400, np.float32), RATE)
    with pytest.raises(ValueError, match="no numbers"):
        pieces.piece(np.array([0.1, np.nan], np.float32), RATE)
    assert pieces.edges(np.zeros(0, np.float32), RATE) is None


def test_noises_are_as_loud_as_they_say_and_always_the_same():
    for entry in read_known(CONFIG / "known.yaml").noise:
        length = round(entry.seconds * 1000)
        if entry.sound == "babble":
            tone = pieces.finished(np.sin(np.arange(RATE) / 20).astype(np.float32), pieces.LEVEL)
            made = again = pieces.babble([tone, tone[::-1], tone[:9000]], length, entry.snr)
        else:
            made = pieces.noise(entry.sound, length, entry.snr, 1, "noise-001")
            again = pieces.noise(entry.sound, length, entry.snr, 1, "noise-001")
            other = pieces.noise(entry.sound, length, entry.snr, 2, "noise-001")
            assert not np.array_equal(made, other)
        assert np.array_equal(made, again) and len(made) == length * pieces.MS
        below = 20 * np.log10(pieces.LEVEL / np.sqrt(np.mean(made**2)))
        assert below == pytest.approx(entry.snr, abs=0.2)


@settings(max_examples=50, deadline=None)
@given(
    plan=st.lists(
        st.tuples(st.sampled_from(["user", "noise", "pause", None]), st.integers(5, 300)),
        min_size=1,
        max_size=12,
    )
)
def test_a_track_sounds_where_its_events_say_and_nowhere_else(plan):
    track = pieces.Track()
    for kind, length in plan:
        if kind in ("user", "noise"):
            tone = np.sin(2 * np.pi * 250 * np.arange(length * pieces.MS) / RATE)
            track.say(pieces.finished(tone.astype(np.float32), pieces.LEVEL), kind, "x")
        else:
            track.silence(length, kind)
    track.end_turn()
    seconds = sum(length for _, length in plan) / 1000
    assert len(track.samples) == round(seconds * RATE) == track.at * pieces.MS
    assert len(track.events) == sum(kind is not None for kind, _ in plan) + 1
    left, before = track.samples.copy(), 0.0
    for event in track.events:
        assert before <= event.start <= event.end <= round(seconds, 3)
        before, inside = event.end, slice(round(event.start * RATE), round(event.end * RATE))
        assert left[inside].any() == (event.kind in ("user", "noise"))
        left[inside] = 0
    assert not left.any()
    clean = track.without("noise")
    kept = [event for event in track.events if event.kind != "noise"]
    assert clean.events == kept and len(clean.samples) == len(track.samples)
    for event in track.events:
        inside = slice(round(event.start * RATE), round(event.end * RATE))
        same = np.array_equal(clean.samples[inside], track.samples[inside])
        assert same == (event.kind != "noise") and clean.samples[inside].any() == (
            event.kind == "user"
        )

"""Measures on sounds and words with known results."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.backends.judge import _measures
from scripts.backends.judge._measures import RATE

TEXT = st.text(alphabet="abc 你好吗.!?。", max_size=40)


def syllables(hertz: np.ndarray | float, count: int, each: float = 0.2) -> np.ndarray:
    """A buzz (sawtooth) whose loudness rises and falls `count` times, in `each` seconds."""
    size = int(count * each * RATE)
    phase = np.cumsum(np.broadcast_to(hertz, size)) / RATE
    swell = 0.02 + np.abs(np.sin(np.pi * np.arange(size) / (each * RATE)))
    return (0.3 * swell * (2 * (phase % 1) - 1)).astype(np.float32)


def test_pitch_span_and_pace_of_a_known_sound():
    steady = _measures.prosody(syllables(200.0, 10))
    assert steady.pitch == pytest.approx(12 * np.log2(200), abs=0.2)
    assert steady.pitch_span == pytest.approx(0.1, abs=0.1)
    assert steady.pace == pytest.approx(5, abs=0.6)
    rising = _measures.prosody(syllables(100 * 2 ** np.linspace(0, 1, int(2 * RATE)), 10))
    assert rising.pitch_span == pytest.approx(0.8 * 12, abs=1)


@pytest.mark.parametrize("sound", [np.zeros(RATE), np.zeros(0), np.zeros(50), 1e-5 * np.ones(RATE)])
def test_silence_has_no_voice_and_no_pauses(sound):
    sound = sound.astype(np.float32)
    assert not _measures.speaking(sound).any()
    assert _measures.prosody(sound) is None and _measures.gaps(sound, 0.5) == 0


def test_noise_has_no_pitch():
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert _measures.prosody(noise) is None


def test_only_long_pauses_inside_count():
    voice, pause = syllables(150.0, 3), np.zeros(RATE, np.float32)
    assert _measures.gaps(np.concatenate([voice, pause, voice]), 0.6) == pytest.approx(0.4, abs=0.1)
    assert _measures.gaps(np.concatenate([pause, voice, pause]), 0.6) == 0
    assert _measures.gaps(np.concatenate([voice, pause[:8000], voice]), 0.6) == 0


@pytest.mark.parametrize(
    "meant, heard, rate",
    [
        ("Hello, Joe!", "hello joe", 0),
        ("one two three four", "one two tree", 0.5),
        ("你好吗", "你好马", 1 / 3),
        ("hello", "a very long thing to hear", 1),
        ("", "something", 1),
        ("...", "", 0),
    ],
)
def test_errors_are_words_or_chinese_characters(meant, heard, rate):
    assert _measures.error_rate(meant, heard) == pytest.approx(rate)


@given(TEXT)
def test_a_text_has_no_errors_beside_itself(text):
    assert _measures.error_rate(text, text) == 0
    assert 0 <= _measures.repeated(text) <= 1 and 0 <= _measures.exclaimed(text) <= 1


@pytest.mark.parametrize(
    "text, share",
    [
        ("I I see", 1 / 3),
        ("I see I see it", 2 / 5),
        ("all is well", 0),
        ("看看这个", 0),
        ("这个这个人", 2 / 5),
        ("", 0),
    ],
)
def test_what_is_said_again_in_a_row(text, share):
    assert _measures.repeated(text) == pytest.approx(share)


def test_script_of_a_text():
    assert _measures.share_in("你好 Joe", "Chinese") == pytest.approx(2 / 5)
    assert _measures.share_in("Hello!", "English") == 1
    assert _measures.share_in("123", "English") == _measures.share_in("123", "Chinese") == 0
    assert _measures.language_of("你好 Joe") == "Chinese"
    assert _measures.language_of("") == "English"


@pytest.mark.parametrize(
    "text, words",
    [("", 0), ("I don't know.", 3), ("他说得很对，就是这样", 9 / 1.6), ("去 London", 1.625)],
)
def test_length_in_words_of_both_languages(text, words):
    assert _measures.length_in_words(text) == pytest.approx(words)


def test_exclamations_are_counted_by_sentence():
    assert _measures.exclaimed("Run! They are here. 快跑！") == pytest.approx(2 / 3)
    assert _measures.exclaimed("no end") == 0


@given(TEXT, st.integers(1, 30))
def test_first_sentences_fit(text, longest):
    assert len(_measures.first_sentences(text, longest)) <= longest


def test_first_sentences_are_whole_where_they_can_be():
    assert _measures.first_sentences("He flies. He owes money. He jokes.", 26) == (
        "He flies. He owes money."
    )
    assert _measures.first_sentences("他会飞。他欠钱。", 5) == "他会飞。"
    assert _measures.first_sentences("Unending", 3) == "Une"


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_ramps_stay_between_0_and_1_and_rise(one, two):
    low, high = sorted((one, two))
    assert 0 <= _measures.ramp(low, -1, 1) <= _measures.ramp(high, -1, 1) <= 1
    assert _measures.ramp(low, 1, -1) >= _measures.ramp(high, 1, -1)

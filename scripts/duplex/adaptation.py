"""How an overlap changes the agent's speech: pitch, level, and rate of speaking.

Full-Duplex-Bench v1.5 compares speech before and after the overlap (`official`), the mended form
that after the overlap with that after the same time in the clean counterpart (the numbers are those
of scripts/duplex/overlap_official.py). Pitch and level are Praat's, every 10 ms, through
parselmouth: `pitch_change` and `pitch_spread_change` are of mean and standard deviation in Hz
(corrected: semitones) of voiced speech from 50 to 600 Hz, `level_change` and `level_spread_change`
in dB, `rate_change` in words per minute. Silence is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scripts.backends.asr import Word
from scripts.common.audio import RATE
from scripts.duplex.overlap_corrected import talked
from scripts.duplex.spans import Measure, Span, gap
from scripts.duplex.track import Track

PITCH = (50.0, 600.0)  # Hz
STEP = 0.01  # seconds
FEWEST = 1.0  # seconds of speech that are compared
SHORTEST = 0.1  # seconds: of less Praat measures nothing
CHANGES = ("pitch_change", "pitch_spread_change", "level_change", "level_spread_change")


def speech_in(track: Track, start: float, end: float) -> np.ndarray:
    """(n,) float32 at 16 kHz: the agent's speech in a window, put together."""
    cut = [(max(a, start), min(b, end)) for a, b in track.activity]
    parts = [track.samples[round(a * RATE) : round(b * RATE)] for a, b in cut if b > a]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def pitches(speech: np.ndarray) -> np.ndarray:
    """(n,) Hz of the voiced frames of some speech, (m,) float32 at 16 kHz."""
    import parselmouth

    if len(speech) < SHORTEST * RATE:
        return np.zeros(0)
    sound = parselmouth.Sound(speech.astype(np.float64), RATE)
    track = sound.to_pitch(time_step=STEP, pitch_floor=PITCH[0], pitch_ceiling=PITCH[1])
    hertz = track.selected_array["frequency"]
    return hertz[hertz > 0]


def levels(speech: np.ndarray) -> np.ndarray:
    """(n,) dB of the frames of some speech, (m,) float32 at 16 kHz."""
    import parselmouth

    if len(speech) < SHORTEST * RATE:
        return np.zeros(0)
    sound = parselmouth.Sound(speech.astype(np.float64), RATE)
    found = sound.to_intensity(time_step=STEP).values.ravel()
    return found[found > -200]  # Praat's value of digital silence is -300


def differences(pitch: Sequence[np.ndarray], level: Sequence[np.ndarray]) -> list[float]:
    """The changes in the order of CHANGES, from the first to the second array of each."""
    return [of(two) - of(one) for one, two in (pitch, level) for of in (mean, spread)]


def mean(values: np.ndarray) -> float:
    """The mean; 0 of nothing."""
    return float(values.mean()) if len(values) else 0.0


def spread(values: np.ndarray) -> float:
    """The standard deviation (n - 1); 0 of fewer than two."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def official(track: Track, place: float) -> dict[str, Measure]:
    """Speech after `place`, where what follows the overlap begins, less that before (oddity 6)."""
    parts = [speech_in(track, 0.0, place), speech_in(track, place, track.seconds)]
    found = differences([*map(pitches, parts)], [*map(levels, parts)])
    return dict(zip(CHANGES, map(Measure, found), strict=True))


def corrected(track: Track, clean: Track, window: Span) -> dict[str, Measure]:
    """Speech after the overlap less that of the clean counterpart in the same `window`."""
    parts = [speech_in(own, *window) for own in (clean, track)]
    if reason := too_little(parts):
        return dict.fromkeys(CHANGES, gap(reason))
    pitch, level = [12 * np.log2(pitches(part)) for part in parts], [*map(levels, parts)]
    found = [Measure(value) for value in differences(pitch, level)]
    if min(map(len, pitch)) < 2:
        found[:2] = [gap("the speech has no pitch")] * 2
    if min(map(len, level)) < 2:
        found[2:] = [gap("the speech is digital silence")] * 2
    return dict(zip(CHANGES, found, strict=True))


def rate_change(
    track: Track, clean: Track, words: Sequence[Sequence[Word]], window: Span
) -> Measure:
    """Words per minute of talking after the overlap less those of the clean counterpart in the same
    `window`; `words` are those of the track and of the counterpart (oddity 7)."""
    if reason := too_little([speech_in(own, *window) for own in (clean, track)]):
        return gap(reason)
    rates = [
        60
        * sum(window[0] <= (word.start + word.end) / 2 < window[1] for word in own)
        / talked(side.activity, *window)
        for side, own in zip((track, clean), words, strict=True)
    ]
    return Measure(rates[0] - rates[1])


def too_little(parts: Sequence[np.ndarray]) -> str:
    """Why two pieces of speech are not compared; empty if they are."""
    seconds = [len(part) / RATE for part in parts]
    if min(seconds) >= FEWEST:
        return ""
    return f"{seconds[1]:.2f} s of speech after the overlap, {seconds[0]:.2f} s without it"

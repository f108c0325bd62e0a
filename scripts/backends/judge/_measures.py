"""Measures of speech and text that scores are made from: pauses, pitch, pace, errors.

Audio is (n,) float32 at 16 kHz. Pitch is Praat's (Boersma 1993, through parselmouth); pace is the
rate of loudness peaks in voiced speech, after de Jong and Wempe 2009, so it needs no text and means
the same in every language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

RATE = 16_000
FRAME = 160  # samples between frames: 10 ms
WINDOW = 400  # samples for the loudness of a frame: 25 ms
QUIET = 30.0  # dB below loud speech that count as a pause
LOUDEST_SILENCE = -60.0  # dBFS: below this there is no speech at all
CHINESE = re.compile(r"[\u3400-\u9fff]")
IN_A_WORD = (
    1.6  # Chinese characters that say as much as an English word (translators' rule of thumb)
)
LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class Prosody:
    """Prosody of a voice. Spans are from the 10th to the 90th percentile.

    Spans and pace are at least .1, so that ratios can be taken.
    """

    pitch: float  # median, semitones above 1 Hz
    pitch_span: float  # semitones
    loudness_span: float  # dB, in voiced speech
    pace: float  # syllables per second of speech, without pauses


def loudness(audio: np.ndarray) -> np.ndarray:
    """Level per 10 ms in dBFS, at least -100; (n // 160,)."""
    power = np.square(audio.astype(np.float64))
    sums = np.concatenate([[0.0], np.cumsum(power)])
    centres = np.arange(len(audio) // FRAME) * FRAME + FRAME // 2
    first = np.maximum(centres - WINDOW // 2, 0)
    last = np.minimum(centres + WINDOW // 2, len(audio))
    return 10 * np.log10(np.maximum((sums[last] - sums[first]) / (last - first), 1e-10))


def speaking(audio: np.ndarray) -> np.ndarray:
    """Per 10 ms, whether it is louder than a pause; all False for silence. (n // 160,) bool."""
    levels = loudness(audio)
    loud = np.percentile(levels, 95) if len(levels) else -100.0
    return (levels > loud - QUIET) & (loud > LOUDEST_SILENCE)


def gaps(audio: np.ndarray, longest: float) -> float:
    """Seconds by which pauses inside an utterance exceed `longest`, summed."""
    spoken = np.flatnonzero(speaking(audio))
    pauses = (np.diff(spoken) - 1) * FRAME / RATE
    return float(np.maximum(pauses - longest, 0).sum())


def prosody(audio: np.ndarray) -> Prosody | None:
    """Pitch, loudness and pace; None for less than 0.2 s of voiced speech."""
    import parselmouth
    from scipy.signal import find_peaks

    spoken = speaking(audio)
    if spoken.sum() < 20:
        return None
    sound = parselmouth.Sound(audio.astype(np.float64), RATE)
    track = sound.to_pitch(time_step=FRAME / RATE, pitch_floor=65, pitch_ceiling=500)
    times = (np.arange(len(spoken)) + 0.5) * FRAME / RATE
    hertz = np.interp(times, track.xs(), track.selected_array["frequency"], left=0, right=0)
    voiced = spoken & (hertz >= 65)
    if voiced.sum() < 20:
        return None
    semitones = 12 * np.log2(hertz[voiced])
    levels = np.convolve(loudness(audio), np.hanning(7) / np.hanning(7).sum(), mode="same")
    peaks, _ = find_peaks(levels, prominence=2.0, distance=8)
    return Prosody(
        pitch=float(np.median(semitones)),
        pitch_span=max(0.1, span(semitones)),
        loudness_span=max(0.1, span(levels[voiced])),
        pace=max(0.1, float(voiced[peaks].sum() / (spoken.sum() * FRAME / RATE))),
    )


def span(values: np.ndarray) -> float:
    """From the 10th to the 90th percentile."""
    low, high = np.percentile(values, [10, 90])
    return float(high - low)


def units(text: str) -> list[str]:
    """The units of counting: Chinese characters and lower-case words of other scripts."""
    return re.findall(r"[\u3400-\u9fff]|[^\W\d_\u3400-\u9fff]+(?:['’][^\W\d_]+)?|\d", text.lower())


def length_in_words(text: str) -> float:
    """The length of a text in English words; Chinese characters count by `IN_A_WORD`."""
    found = units(text)
    chinese = sum(bool(CHINESE.match(unit)) for unit in found)
    return len(found) - chinese + chinese / IN_A_WORD


def language_of(text: str) -> str:
    """ "Chinese" if at least a third of the letters are Chinese characters, else "English"."""
    return "Chinese" if share_in(text, "Chinese") >= 1 / 3 else "English"


def share_in(text: str, language: str) -> float:
    """The share of a text's letters in the language's script; 0 if there are no letters."""
    letters = LETTER.findall(text)
    chinese = len(CHINESE.findall(text)) / max(1, len(letters))
    return 0.0 if not letters else chinese if language == "Chinese" else 1 - chinese


def error_rate(meant: str, heard: str) -> float:
    """Word (Chinese: character) error rate, capped at 1."""
    import jiwer

    true, found = units(meant), units(heard)
    if not true:
        return float(bool(found))
    return min(1.0, jiwer.wer(" ".join(true), " ".join(found)))


def repeated(text: str) -> float:
    """The share of words that repeat the one, two or three words right before.

    A single repeated Chinese character does not count, only two or more.
    """
    words = units(text)
    again = np.zeros(len(words), bool)
    for size in (1, 2, 3):
        for i in range(size, len(words) - size + 1):
            same = words[i : i + size] == words[i - size : i]
            if same and (size > 1 or not CHINESE.match(words[i])):
                again[i : i + size] = True
    return float(again.mean()) if words else 0.0


def exclaimed(text: str) -> float:
    """The share of a text's sentences that end in an exclamation mark."""
    ends = re.findall(r"[.!?…。！？]+", text)
    return sum("!" in end or "！" in end for end in ends) / len(ends) if ends else 0.0


def sentences(text: str) -> list[str]:
    """The sentences of a text, without blank ones."""
    parts = re.split(r"(?<=[.!?])\s+|(?<=[。！？])|\n+", text)
    return [part.strip() for part in parts if part.strip()]


def first_sentences(text: str, longest: int) -> str:
    """As many whole sentences as fit into `longest` characters; if none, the first one, cut."""
    taken = ""
    for sentence in sentences(text):
        if len(taken) + len(sentence) + 1 > longest:
            break
        taken = f"{taken} {sentence}".strip()
    return taken or text[:longest]


def ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high`, linear between; falling if `low` is above `high`."""
    return float(np.clip((value - low) / (high - low), 0, 1))

"""Full-Duplex-Bench v1.0's measures by their published rules, with what is odd about them.

Lin et al., 2025, arXiv 2503.04721. Written from the definitions; where these leave a choice, it is
named at the function. Each oddity has a number, and scripts/duplex/fdb_corrected.py mends it under
the same number:

1. Takeover reads the words of the whole output: marks of a pause, of a turn's end or of an
   interruption do not matter, and words before and after them count alike.
2. How long somebody talked is taken from the first word to the last, with all silence in between:
   two single words far apart are a takeover.
3. A negative latency counts as 0, so that whoever talks over the user is the fastest.
4. Latency runs to the first word of the output, whatever that word belongs to, and only outputs
   that are takeovers have one.
5. Of an interruption, only the output after its end is recognised: an agent that never stopped
   talking has taken the turn at once.
6. Whether the agent was talking when it was interrupted is not looked at.
7. The voice activity detector takes all audio to have 16 kHz: with an output of 24 kHz all its
   times are half as long again.
8. Of backchannels, each segment of activity overwrites the takeover of those before it, until one
   of more than 3 s ends the search.
9. All segments of up to 3 s are counted as backchannels, also those that were found to be a
   takeover; none after one of more than 3 s.
10. An output without backchannels has the distance 1, although the Jensen-Shannon distance by the
    natural logarithm is at most sqrt(ln 2) = .833.
11. What the agent says after the user has ended is weighed like what it says before.
12. An output without a takeover is not rated; of a service question, no reply has 0 and 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import rel_entr

from scripts.backends.asr import Word
from scripts.duplex.spans import Measure, Span, gap, overlaps

SHORT = 1.0  # seconds
FEW = 3  # words
LONG = 3.0  # seconds: a longer segment of activity is no backchannel
BIN = 0.2  # seconds
TINY = 1e-10
NOT_TAKEN = "the agent did not take the turn, and only takeovers have a latency"
NOT_RATED = "the agent did not take the turn, and only takeovers are rated"


def takeover(words: Sequence[Word]) -> float:
    """1.0 if the words of an output are a turn: 1 s from the first to the last, or more than three
    words; else 0.0 (oddities 1 and 2)."""
    if not words:
        return 0.0
    seconds = words[-1].end - words[0].start
    return float(seconds >= SHORT or len(words) > FEW)


def takeover_of_activity(activity: Sequence[Span]) -> float:
    """The same from voice activity alone: 1.0 if it is 1 s from its first to its last sound."""
    return float(bool(activity) and activity[-1][1] - activity[0][0] >= SHORT)


def turn_latency(words: Sequence[Word], turn_end: float) -> Measure:
    """Seconds from the end of the user's turn to the first word, at least 0 (oddities 3 and 4)."""
    if not takeover(words):
        return gap(NOT_TAKEN)
    return Measure(max(0.0, words[0].start - turn_end))


def after_crop(words: Sequence[Word], end: float) -> list[Word]:
    """The words of an output that was cropped at `end`, with times in the whole: those whose
    middle lies after it, cut there (oddity 5).

    The benchmark recognises the cropped sound once more; here a word that the crop divides counts
    by its larger part.
    """
    return [
        Word(word.word, max(end, word.start), word.end)
        for word in words
        if (word.start + word.end) / 2 >= end
    ]


def activity_after_crop(activity: Sequence[Span], end: float) -> list[Span]:
    """The voice activity of an output that was cropped at `end`, with times in the whole."""
    return [(max(end, start), stop) for start, stop in activity if stop > end]


def interruption_takeover(words: Sequence[Word], end: float) -> float:
    """Takeover of what is heard after an interruption's end (oddities 5 and 6)."""
    return takeover(after_crop(words, end))


def interruption_latency(words: Sequence[Word], end: float) -> Measure:
    """Seconds from an interruption's end to the first word heard after it, at least 0."""
    return turn_latency(after_crop(words, end), end)


def backchannels(segments: Sequence[Span], words: Sequence[Word]) -> tuple[float, list[Span]]:
    """Takeover of an output, 1.0 or 0.0, and the segments that count as backchannels (8, 9).

    `segments` of voice activity with the times that the detector gave (7), in order. A word belongs
    to each segment that it overlaps.
    """
    taken = 0.0
    counted: list[Span] = []
    for start, end in segments:
        if end - start > LONG:
            return 1.0, counted
        counted.append((start, end))
        said = sum(overlaps(word.start, word.end, (start, end)) for word in words)
        if end - start < SHORT:
            taken = float(said > FEW - 1)
        else:
            taken = 1.0
    return taken, counted


def frequency(counted: Sequence[Span], seconds: float) -> float:
    """Backchannels per second of an output of `seconds`."""
    return len(counted) / seconds


def histogram(spans: Sequence[Span], seconds: float) -> np.ndarray:
    """(n,) how many spans cover each 0.2 s of [0, seconds]; parts after `seconds` are dropped.

    A bin is covered if a span overlaps it, that of a single moment by it; the last one may be
    shorter. (The rounding is ours, the rules leave it open.)
    """
    counts = np.zeros(max(1, math.ceil(round(seconds / BIN, 6))))
    for start, end in spans:
        first, last = math.floor(round(start / BIN, 6)), math.ceil(round(end / BIN, 6))
        counts[first : max(last, first + 1)] += 1
    return counts


def distance(spans: Sequence[Span], seconds: float, expected: Sequence[float]) -> float:
    """Jensen-Shannon distance (natural logarithm) of when backchannels came, from the listeners'
    own distribution, a vector over the same seconds; 1 for none (oddity 10).

    The vector is interpolated to the number of bins, both ends on both ends.
    """
    if not spans:
        return 1.0
    return divergence(histogram(spans, seconds), expected)


def divergence(counts: np.ndarray, expected: Sequence[float]) -> float:
    """Jensen-Shannon distance of (n,) counts and a vector of any length, each scaled to sum 1."""
    ends = np.linspace(0, 1, len(expected)), np.linspace(0, 1, len(counts))
    p, q = counts + TINY, np.interp(ends[1], ends[0], expected) + TINY
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    # Rounding may leave a tiny negative number under the root.
    return math.sqrt(max(0.0, float(rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2))

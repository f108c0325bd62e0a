"""Scores of transcripts, diarization, separation and speaker names against the ground truth.

Each is a pair (sum, weight), so that the score of many media is the sum of sums over the sum of
weights. None: nothing to score against.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable, Iterable

import numpy as np

from scripts.media import stm

MANY = 2**40  # more than the words of any text

Turns = list[tuple[float, float, str]]  # start and end in seconds, speaker
Span = tuple[float, float]  # start and end in seconds
Pair = tuple[float, float]


def without(turns: Turns, spans: Iterable[Span]) -> Turns:
    """The parts of turns outside `spans`."""
    for begin, stop in spans:
        cut = [
            part
            for start, end, who in turns
            for part in ((start, min(end, begin), who), (max(start, stop), end, who))
        ]
        turns = [part for part in cut if part[1] > part[0]]
    return turns


def diarization_error(
    true: Turns, found: Turns, seconds: float, forgiving: bool, unscored: Iterable[Span] = ()
) -> Pair | None:
    """Missed, false and confused speech, and all true speech, in seconds; their ratio is the DER.

    The `seconds` of the audio are scored except for the stretches `unscored`; overlapping turns of
    one speaker are merged. forgiving: excludes .25 s on both sides of every true boundary, and
    overlapped speech, as NIST's evaluations did. Speakers are mapped to the true ones optimally.
    """
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    # The library's collar is the full width around a boundary.
    metric = DiarizationErrorRate(collar=0.5 if forgiving else 0.0, skip_overlap=forgiving)
    parts = metric(
        _annotation(true),
        _annotation(found),
        uem=Timeline([Segment(*part[:2]) for part in without([(0, seconds, "")], unscored)]),
        detailed=True,
    )
    errors = parts["missed detection"] + parts["false alarm"] + parts["confusion"]
    return (float(errors), float(parts["total"])) if parts["total"] else None


def _annotation(turns: Turns):
    from pyannote.core import Annotation, Segment

    annotation = Annotation()
    for number, (start, end, speaker) in enumerate(_joined(turns)):
        annotation[Segment(start, end), number] = speaker
    return annotation


def _joined(turns: Turns) -> Turns:
    """Overlapping turns of one speaker, merged."""
    joined: dict[str, list[Span]] = {}
    for start, end, speaker in sorted(turns):
        own = joined.setdefault(speaker, [])
        if own and start < own[-1][1]:
            own[-1] = (own[-1][0], max(own[-1][1], end))
        else:
            own.append((start, end))
    return [(start, end, speaker) for speaker, own in joined.items() for start, end in own]


def word_error(true: str, heard: str) -> Pair | None:
    """Substituted, deleted and inserted words, and true words; their ratio is the WER.

    Both texts go through the English normaliser of Whisper (lower case, no punctuation, no fillers,
    contractions and numbers written one way), but American and British spelling are not unified.
    Of the true text's alternatives (scripts/media/stm.py) the best-scoring ones count.
    """
    return _errors(true, heard, _words)


def _words(text: str) -> list[str]:
    words = _normaliser()(text).split()
    return [word for word in words if any(map(str.isalnum, word))]  # it leaves "." of "..."


@functools.cache
def _normaliser():
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    return EnglishTextNormalizer({})


def character_error(true: str, heard: str) -> Pair | None:
    """Substituted, deleted and inserted characters, and true characters; their ratio is the CER.

    Only letters, ideographs and digits count, in half width and lower case. Of the true text's
    alternatives the best-scoring ones count.
    """
    return _errors(true, heard, _characters)


def _characters(text: str) -> list[str]:
    text = unicodedata.normalize("NFKC", text).lower()
    return [sign for sign in text if unicodedata.category(sign)[0] in "LN"]


def _errors(true: str, heard: str, split: Callable[[str], list[str]]) -> Pair | None:
    """Errors and true words (or characters) of the best alignment of `heard` with the true text.

    Our own, as no library that we found scores references with alternatives. Levenshtein's
    algorithm row by row: after each true word, row[n] is the cost of aligning everything up to it
    with the first n heard words. An error costs MANY and a true word -1, so of alignments with
    equal errors the one with most true words wins.
    """
    numbers: dict[str, int] = {}
    words = np.array([numbers.setdefault(word, len(numbers)) for word in split(heard)], np.int64)
    inserted = MANY * np.arange(len(words) + 1)

    def follow(parts: stm.Pieces, row: np.ndarray) -> np.ndarray:
        for part in parts:
            if not isinstance(part, str):
                row = np.minimum.reduce([follow(option, row) for option in part])
                continue
            for word in split(part):
                new = row + MANY - 1
                wrong = words != numbers.get(word, -1)
                np.minimum(new[1:], row[:-1] + MANY * wrong - 1, out=new[1:])
                row = np.minimum.accumulate(new - inserted) + inserted
        return row

    try:
        parts = stm.pieces(true)
    except ValueError:  # a literal brace: not STM text
        parts = [true]
    best = int(follow(parts, inserted)[-1])
    errors = -(-best // MANY)
    return (errors, errors * MANY - best) if errors * MANY != best else None


def si_sdr(estimate: np.ndarray, clean: np.ndarray) -> float | None:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al., ICASSP 2019).

    With zero-mean estimate e and clean s, both (n,): 10 log10(|as|^2 / |as - e|^2), where
    a = <e, s> / |s|^2. None if either is silent or they have nothing in common.
    """
    e, s = (x - x.mean() for x in (estimate.astype(np.float64), clean.astype(np.float64)))
    power = s @ s
    target = (e @ s / power if power else 0.0) * s
    noise = target - e
    if not target.any() or not noise.any():
        return None
    return float(10 * np.log10((target @ target) / (noise @ noise)))


def add(pairs: Iterable[Pair | None]) -> Pair | None:
    """The sum of pairs; None if there are none."""
    known = [pair for pair in pairs if pair is not None]
    return (sum(p[0] for p in known), sum(p[1] for p in known)) if known else None


def ratio(pair: Pair | None) -> float | None:
    return pair[0] / pair[1] if pair and pair[1] else None

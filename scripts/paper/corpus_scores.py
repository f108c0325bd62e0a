"""Scores of a transcript, a diarization, a separation and named speakers against the truth.

Each is returned as a pair (sum, weight), so that the score of many media is the sum of sums over
the sum of weights. None: there is nothing to score against.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

import numpy as np

Turns = list[tuple[float, float, str]]  # start and end in seconds, speaker
Pair = tuple[float, float]


def diarization_error(true: Turns, found: Turns, seconds: float, forgiving: bool) -> Pair | None:
    """Missed, false and confused speech, and all true speech, in seconds; their ratio is the DER.

    forgiving: leaves out .25 s on both sides of every true boundary, and overlapped speech, as
    NIST's evaluations did. Speakers are mapped to the true ones as suits the score best.
    """
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    # The library's collar is the whole width about a boundary.
    metric = DiarizationErrorRate(collar=0.5 if forgiving else 0.0, skip_overlap=forgiving)
    parts = metric(
        _annotation(true),
        _annotation(found),
        uem=Timeline([Segment(0, seconds)]),
        detailed=True,
    )
    errors = parts["missed detection"] + parts["false alarm"] + parts["confusion"]
    return (float(errors), float(parts["total"])) if parts["total"] else None


def _annotation(turns: Turns):
    from pyannote.core import Annotation, Segment

    annotation = Annotation()
    for number, (start, end, speaker) in enumerate(turns):
        annotation[Segment(start, end), number] = speaker
    return annotation


def word_error(true: str, heard: str) -> Pair | None:
    """Substituted, deleted and inserted words, and true words; their ratio is the WER.

    Both texts go through the English normaliser of Whisper (lower case, no punctuation, no fillers,
    contractions and numbers written one way), but American and British spelling are not unified.
    """
    import jiwer

    true, heard = _words(true), _words(heard)
    return _errors(jiwer.process_words(true, heard)) if true else None


def _words(text: str) -> str:
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    words = EnglishTextNormalizer({})(text).split()
    return " ".join(word for word in words if any(map(str.isalnum, word)))  # it leaves "." of "..."


def character_error(true: str, heard: str) -> Pair | None:
    """Substituted, deleted and inserted characters, and true characters; their ratio is the CER.

    Only letters, ideographs and digits count, full width made half width, in lower case.
    """
    import jiwer

    true, heard = _characters(true), _characters(heard)
    return _errors(jiwer.process_characters(true, heard)) if true else None


def _characters(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).lower()
    return "".join(sign for sign in text if unicodedata.category(sign)[0] in "LN")


def _errors(result) -> Pair:
    wrong = result.substitutions + result.deletions
    return wrong + result.insertions, wrong + result.hits


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


def same_people(found: Turns, true: Turns) -> dict[str, str]:
    """{found speaker: the true speaker with whom they share most time}.

    A found speaker who talks only where the truth has nobody is left out.
    """
    shared: dict[str, Counter[str]] = {}
    for start, end, speaker in found:
        for begin, stop, person in true:
            both = min(end, stop) - max(start, begin)
            if both > 0:
                shared.setdefault(speaker, Counter())[person] += both
    return {speaker: _most(counts) for speaker, counts in shared.items()}


def _most(counts: Counter[str]) -> str:
    """The key with the highest count, by name among equals."""
    return max(sorted(counts), key=counts.__getitem__)


def add(pairs: Iterable[Pair | None]) -> Pair | None:
    """The sum of pairs; None if there are none."""
    known = [pair for pair in pairs if pair is not None]
    return (sum(p[0] for p in known), sum(p[1] for p in known)) if known else None


def ratio(pair: Pair | None) -> float | None:
    return pair[0] / pair[1] if pair and pair[1] else None

"""Stretches of time, utterances, and what a measure gives: a value, or a gap with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scripts.backends.asr import Word
from scripts.rows.duplex import Event, EventKind

Span = tuple[float, float]  # start and end, seconds

JOIN = 0.5  # seconds; a shorter silence is inside an utterance, a longer one ends it


class Gap(Exception):
    """Says why something cannot be measured."""


@dataclass(frozen=True)
class Measure:
    """The value of one measure, or None with the `reason`; `each`: what a mean is of; `label`:
    which of several was found."""

    value: float | None
    reason: str | None = None
    note: str = ""
    each: tuple[float, ...] = ()
    label: str = ""


@dataclass(frozen=True)
class Utterance:
    """Speech of one side without a silence of `JOIN`; `words` are the times of its words, None
    where only its activity is known."""

    start: float
    end: float
    words: tuple[Span, ...] | None = None

    @property
    def seconds(self) -> float:
        return round(self.end - self.start, 6)  # 4.6 - 3.6 is 1

    @property
    def count(self) -> int:
        """How many words are known of it."""
        return len(self.words or ())

    def after(self, time: float) -> Utterance:
        """What is left of it after `time`: a word belongs to where its middle lies."""
        words = self.words and tuple(own for own in self.words if sum(own) / 2 >= time)
        return Utterance(max(self.start, time), self.end, words)


def gap(reason: str) -> Measure:
    """A measure that has no value."""
    return Measure(None, reason)


def joined(spans: Iterable[Span], silence: float = JOIN) -> list[Span]:
    """The spans in order of time, with those joined that overlap or have less than `silence`
    between them."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and round(start - found[-1][1], 6) < silence:  # 4.6 - 4.1 is 0.5
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def utterances(activity: Iterable[Span]) -> list[Utterance]:
    """Utterances from voice activity."""
    return [Utterance(start, end) for start, end in joined(activity)]


def spoken(words: Sequence[Word]) -> list[Utterance]:
    """Utterances from words with times."""
    times = sorted((word.start, word.end) for word in words)
    return [
        Utterance(start, end, tuple(own for own in times if start <= own[0] <= end))
        for start, end in joined(times)
    ]


def worded(activity: Iterable[Span], words: Sequence[Word]) -> list[Utterance]:
    """Utterances from voice activity, each with the words that overlap it."""
    times = [(word.start, word.end) for word in words]
    return [
        Utterance(start, end, tuple(own for own in times if overlaps(*own, (start, end))))
        for start, end in joined(activity)
    ]


def overlaps(start: float, end: float, window: Span) -> bool:
    """Whether a stretch and a window share more than a point."""
    return start < window[1] and end > window[0]


def inside(spans: Iterable[Span], seconds: float) -> list[Span]:
    """The parts of the spans that lie in [0, seconds]."""
    cut = ((max(0.0, start), min(end, seconds)) for start, end in spans)
    return [(start, end) for start, end in cut if end > start]


def words_inside(words: Iterable[Word], seconds: float) -> list[Word]:
    """The words that begin before `seconds`, cut there."""
    return [
        Word(word.word, word.start, min(word.end, seconds))
        for word in words
        if word.start < seconds
    ]


def marks(events: Iterable[Event], *kinds: EventKind) -> list[Span]:
    """Start and end of the events of these kinds, in order of time."""
    return sorted((event.start, event.end) for event in events if event.kind in kinds)

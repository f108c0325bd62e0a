"""Which measures a conversation has, by its task, and how each is taken.

Takeover is measured with each recogniser and from voice activity alone; its `takeover_spread` is
the largest less the smallest of these, 0 where all agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from scripts.backends.asr import Word
from scripts.duplex import fdb_corrected as corrected
from scripts.duplex import fdb_official as official
from scripts.duplex import turn_taking
from scripts.duplex.spans import (
    Gap,
    Measure,
    Span,
    Utterance,
    gap,
    inside,
    marks,
    spoken,
    utterances,
    worded,
    words_inside,
)
from scripts.duplex.track import Track
from scripts.rows.duplex import DuplexItem, EventKind, Form

ACTIVITY = "activity"  # measured from voice activity, without words
ALL = "all"  # over all ways to measure
FORMS: tuple[Form, ...] = ("official", "corrected")
TURNS = ("turn", "service")
GO_ON: dict[str, EventKind] = {
    "user_backchannel": "backchannel",
    "bystander": "bystander",
    "noise": "noise",
}


class Key(NamedTuple):
    """A measure: its name, its form, and what it is measured with."""

    metric: str
    form: Form
    by: str


Work = Callable[[], Measure]


class Heard:
    """An item and the agent's side of it, as the measures read them.

    Official measures take the side as it is, corrected ones within the item's length. `user` tells
    when the user talks where no words are marked; `clean` gives the agent's side of the clean
    counterpart (None: the item has none). All three raise Gap if there is none.
    """

    def __init__(
        self,
        item: DuplexItem,
        track: Callable[[], Track],
        user: Callable[[], Sequence[Span]],
        expected: Sequence[float] | None = None,
        clean: Callable[[], Track] | None = None,
    ):
        self.item, self.track, self.user, self.expected = item, track, user, expected
        self.clean = clean

    def words(self, by: str) -> list[Word]:
        """All words by a recogniser; none of voice activity."""
        return [] if by == ACTIVITY else self.track().heard(by)

    def said(self, by: str) -> list[Utterance]:
        """The agent's utterances within the item's length."""
        if by == ACTIVITY:
            return utterances(inside(self.track().activity, self.item.seconds))
        return spoken(words_inside(self.words(by), self.item.seconds))

    def sounded(self, by: str) -> list[Utterance]:
        """The same from voice activity, each with its words by a recogniser."""
        activity = inside(self.track().activity, self.item.seconds)
        return utterances(activity) if by == ACTIVITY else worded(activity, self.words(by))

    def mark(self, kind: EventKind) -> Span:
        """The first event of a kind. Raises Gap if none is marked."""
        found = marks(self.item.events, kind)
        if not found:
            raise Gap(f"no {kind} is marked")
        return found[0]

    def turns(self) -> list[Span]:
        """The user's turns."""
        known = marks(self.item.events, "user")
        return turn_taking.user_turns(self.item.events, () if known else self.user())

    def story(self) -> Span:
        """From the user's first word to the last."""
        turns = self.turns()
        if not turns or turns[0][0] == turns[-1][1]:
            raise Gap("the user says nothing")
        return turns[0][0], turns[-1][1]

    def until(self, time: float) -> float:
        """When the user talks again after `time`, or the item's end."""
        starts = (start for start, _ in marks(self.item.events, "user", "interruption"))
        return next((start for start in starts if start > time), self.item.seconds)


def plan(heard: Heard, recognisers: Iterable[str]) -> dict[Key, Work]:
    """The measures of an item from its sound and its words: none of voices and ratings."""
    task, found = heard.item.task, dict[Key, Work]()
    ways = [*recognisers, ACTIVITY]
    if task in takeovers:
        for form in FORMS:
            own = {Key("takeover", form, by): takeovers[task](heard, form, by) for by in ways}
            found |= own
            found[Key("takeover_spread", form, ALL)] = partial(spread, own.values())
    if task in TURNS:
        found |= {key: latency(heard, key) for key in keys("response_latency", ways)}
    if task == "interruption":
        found |= {key: latency(heard, key) for key in keys("interruption_latency", ways)}
    if task == "backchannel":
        found |= backchannel_measures(heard, ways)
    found |= {Key(metric, "corrected", ACTIVITY): work for metric, work in timing(heard).items()}
    return found


def keys(metric: str, ways: Sequence[str]) -> list[Key]:
    """A measure in both forms and all ways."""
    return [Key(metric, form, by) for form in FORMS for by in ways]


def spread(works: Iterable[Work]) -> Measure:
    """The largest less the smallest of some measures; a gap with fewer than two."""
    values = [own.value for own in map(taken, works) if own.value is not None]
    return Measure(max(values) - min(values)) if len(values) > 1 else gap("fewer than two ways")


def taken(work: Work) -> Measure:
    """What a measure gives; a gap where something that it needs is not there."""
    try:
        found = work()
    except Gap as why:
        return gap(str(why))
    finite = found.value is None or math.isfinite(found.value)
    return found if finite else gap("the result is not a number")


def turn_takeover(heard: Heard, form: Form, by: str) -> Work:
    def work() -> Measure:
        end = heard.mark("turn_end")[0]
        if form == "official":
            return whole_takeover(heard, by)
        return corrected.turn_takeover(heard.said(by), end, heard.until(end))

    return work


def pause_takeover(heard: Heard, form: Form, by: str) -> Work:
    def work() -> Measure:
        if form == "official":
            return whole_takeover(heard, by)
        return corrected.pause_takeover(heard.said(by), marks(heard.item.events, "pause"))

    return work


def whole_takeover(heard: Heard, by: str) -> Measure:
    """The official takeover of a whole output."""
    if by == ACTIVITY:
        return Measure(official.takeover_of_activity(heard.track().activity))
    return Measure(official.takeover(heard.words(by)))


def interruption_takeover(heard: Heard, form: Form, by: str) -> Work:
    def work() -> Measure:
        mark = heard.mark("interruption")
        if form == "corrected":
            return corrected.interruption_takeover(
                heard.said(by), mark, heard.until(mark[1]), heard.item.seconds
            )
        if by == ACTIVITY:
            left = official.activity_after_crop(heard.track().activity, mark[1])
            return Measure(official.takeover_of_activity(left))
        return Measure(official.interruption_takeover(heard.words(by), mark[1]))

    return work


def backchannel_takeover(heard: Heard, form: Form, by: str) -> Work:
    def work() -> Measure:
        if form == "official":
            return Measure(official.backchannels(heard.track().unresampled, heard.words(by))[0])
        return corrected.backchannel_takeover(heard.sounded(by), heard.story())

    return work


takeovers: dict[str, Callable[[Heard, Form, str], Work]] = {
    "pause": pause_takeover,
    "turn": turn_takeover,
    "service": turn_takeover,
    "interruption": interruption_takeover,
    "backchannel": backchannel_takeover,
}


def latency(heard: Heard, key: Key) -> Work:
    """The latency of a response or of the answer to an interruption."""

    def response() -> Measure:
        end = heard.mark("turn_end")[0]
        if key.form == "official":
            return official.turn_latency(as_words(heard, key.by), end)
        return corrected.turn_latency(heard.said(key.by), end, heard.until(end))

    def interruption() -> Measure:
        mark = heard.mark("interruption")
        if key.form == "official" and key.by != ACTIVITY:
            return official.interruption_latency(heard.words(key.by), mark[1])
        if key.form == "official":
            left = official.activity_after_crop(heard.track().activity, mark[1])
            return official.turn_latency([Word("", *own) for own in left], mark[1])
        until = heard.until(mark[1])
        return corrected.interruption_latency(heard.said(key.by), mark, until, heard.item.seconds)

    return response if key.metric == "response_latency" else interruption


def as_words(heard: Heard, by: str) -> list[Word]:
    """The words; of voice activity, each of its spans as one."""
    if by == ACTIVITY:
        return [Word("", *own) for own in heard.track().activity]
    return heard.words(by)


def backchannel_measures(heard: Heard, ways: Sequence[str]) -> dict[Key, Work]:
    """How often and when backchannels come. The official ones do not depend on words."""

    def counted() -> list[Span]:
        return official.backchannels(heard.track().unresampled, [])[1]

    def frequency() -> Measure:
        return Measure(official.frequency(counted(), heard.track().seconds))

    def distance() -> Measure:
        if heard.expected is None:
            return gap("no distribution of listeners' backchannels is known for this item")
        return Measure(official.distance(counted(), heard.track().seconds, heard.expected))

    def own_frequency(by: str) -> Work:
        return lambda: corrected.frequency(heard.sounded(by), heard.story())

    def own_distance(by: str) -> Work:
        def work() -> Measure:
            places = marks(heard.item.events, "backchannel_place")
            seconds = heard.item.seconds
            expected = official.histogram(places, seconds) if places else heard.expected
            if expected is None:
                return gap("no place for backchannels is marked, and no distribution known")
            return corrected.distance(heard.sounded(by), heard.story(), seconds, list(expected))

        return work

    return {
        Key("backchannel_frequency", "official", ACTIVITY): frequency,
        Key("backchannel_distance", "official", ACTIVITY): distance,
        **{Key("backchannel_frequency", "corrected", by): own_frequency(by) for by in ways},
        **{Key("backchannel_distance", "corrected", by): own_distance(by) for by in ways},
    }


def timing(heard: Heard) -> dict[str, Work]:
    """What is measured from two tracks of activity and the marked events, by name."""
    seconds, task = heard.item.seconds, heard.item.task

    def transfers() -> list[float]:
        return turn_taking.transfers(heard.said(ACTIVITY), heard.turns())

    found: dict[str, Work] = {
        "false_starts": lambda: turn_taking.false_starts(heard.said(ACTIVITY), heard.turns()),
        "gap": lambda: turn_taking.gaps(transfers()),
        "overlap": lambda: turn_taking.overlapping(transfers()),
    }
    if task == "interruption":
        found["interrupted"] = lambda: corrected.interrupted(
            heard.said(ACTIVITY), heard.mark("interruption")
        )
        found["stop_latency"] = lambda: turn_taking.stop_latency(
            heard.said(ACTIVITY), heard.mark("interruption")[0], seconds
        )
    if task in GO_ON:
        found["kept_talking"] = lambda: turn_taking.kept_talking(
            heard.said(ACTIVITY), marks(heard.item.events, GO_ON[task]), seconds
        )
    return found

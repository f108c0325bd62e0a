"""Which measures of Full-Duplex-Bench v1.5 an item has in which something overlaps the agent.

Stop and response latency and the behaviour from activity are measured of every such item; the
judge's verdict (scripts/duplex/judged_behaviour.py), `talk_change` and the changes of the agent's
speech (scripts/duplex/adaptation.py) of those with a clean counterpart, with the first recogniser.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from scripts.duplex import adaptation
from scripts.duplex import overlap_corrected as corrected
from scripts.duplex import overlap_official as official
from scripts.duplex.material import OVERLAPS
from scripts.duplex.measures import ACTIVITY, Heard, Key, Work
from scripts.duplex.spans import Measure, Span, Utterance, inside, marks, utterances
from scripts.duplex.track import Track
from scripts.rows.duplex import EventKind

SOUNDS: tuple[EventKind, ...] = ("user", *OVERLAPS.values())


def overlap_plan(heard: Heard, recogniser: str) -> dict[Key, Work]:
    """The measures of an item; none of one without an overlap."""
    kind = OVERLAPS.get(heard.item.task)
    if kind is None:
        return {}

    def mark() -> Span:
        return heard.mark(kind)

    found = timing(heard, mark)
    if heard.clean is not None:
        found |= compared(heard, heard.clean, mark, recogniser)
    return found


def sounds(heard: Heard) -> list[Span]:
    """When anything sounds on the user's side: as marked, or by voice activity where the user's
    words are not."""
    known = marks(heard.item.events, "user")
    return marks(heard.item.events, *SOUNDS) if known else list(heard.user())


def timing(heard: Heard, mark: Callable[[], Span]) -> dict[Key, Work]:
    """Stop and response latency, and the behaviour from activity."""
    item = heard.item
    interrupts = item.task == "interruption"
    wanted = corrected.SPOKE_AGAIN if interrupts else corrected.WENT_ON

    def without() -> list[Utterance] | None:
        if heard.clean is None:
            return None
        return utterances(inside(heard.clean().activity, item.seconds))

    def behaviour() -> Measure:
        place = mark()
        until = heard.until(place[1])
        return corrected.behaviour(
            heard.said(ACTIVITY), without(), place, until, item.seconds, wanted
        )

    def stop() -> Measure:
        return corrected.stop_latency(heard.said(ACTIVITY), without(), mark(), item.seconds)

    found: dict[Key, Work] = {
        Key("stop_latency", "official", ACTIVITY): lambda: official.stop_latency(
            sounds(heard), heard.track().activity
        ),
        Key("response_latency", "official", ACTIVITY): lambda: official.response_latency(
            sounds(heard), heard.track().activity
        ),
        Key("behaviour", "corrected", ACTIVITY): behaviour,
    }
    # An interrupted agent's is among the measures of turn taking.
    return found if interrupts else found | {Key("stop_latency", "corrected", ACTIVITY): stop}


def compared(
    heard: Heard, clean: Callable[[], Track], mark: Callable[[], Span], recogniser: str
) -> dict[Key, Work]:
    """What is compared with the clean counterpart, or before and after."""

    @cache
    def before_and_after() -> dict[str, Measure]:
        place = official.split(heard.words(recogniser), mark()[1])
        return adaptation.official(heard.track(), place)

    def rate() -> Measure:
        return official.rate_change(heard.words(recogniser), mark()[1])

    @cache
    def with_clean() -> dict[str, Measure]:
        return adaptation.corrected(heard.track(), clean(), window())

    def own_rate() -> Measure:
        words = [heard.words(recogniser), clean().heard(recogniser)]
        return adaptation.rate_change(heard.track(), clean(), words, window())

    def window(after: bool = True) -> Span:
        end = min(heard.item.seconds, heard.track().seconds, clean().seconds)
        return mark()[1 if after else 0], end

    def talk() -> Measure:
        sides = heard.track().activity, clean().activity
        return Measure(corrected.talk_change(*sides, *window(after=False)))

    def change(of: Callable[[], dict[str, Measure]], name: str) -> Work:
        return lambda: of()[name]

    names = adaptation.CHANGES
    return {
        Key("talk_change", "corrected", ACTIVITY): talk,
        Key("rate_change", "official", recogniser): rate,
        Key("rate_change", "corrected", recogniser): own_rate,
        **{Key(n, "official", recogniser): change(before_and_after, n) for n in names},
        **{Key(n, "corrected", ACTIVITY): change(with_clean, n) for n in names},
    }

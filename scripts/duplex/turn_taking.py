"""Turn taking of two sides of a conversation, from their activity and marked events.

Both sides are lists of utterances or spans in seconds, as scripts/duplex/spans.py makes them:
speech without a silence of 0.5 s. A turn of the agent is an utterance of 1 s or more than three
words.
"""

from __future__ import annotations

from collections.abc import Sequence

from scripts.duplex.fdb_corrected import (
    NEVER_STOPPED,
    NOT_INTERRUPTED,
    takes_turn,
    talking_at,
    to_the_end,
)
from scripts.duplex.spans import Measure, Span, Utterance, gap, joined, marks, overlaps
from scripts.rows.duplex import Event

AFTER = 1.0  # seconds that somebody who goes on talking must still talk after an event
SILENT_AT = "the agent was silent then"


def user_turns(events: Sequence[Event], activity: Sequence[Span] = ()) -> list[Span]:
    """The user's turns, pauses inside them included, from the marked words.

    Of a user whose words are not marked, from the `activity` but for what overlaps a marked
    "mm-hm", bystander or noise.
    """
    others = marks(events, "backchannel", "bystander", "noise")
    heard = [own for own in activity if not any(overlaps(*own, other) for other in others)]
    said = marks(events, "user") or heard
    return joined([*said, *marks(events, "interruption", "pause")])


def stop_latency(said: Sequence[Utterance], start: float, seconds: float) -> Measure:
    """Seconds from the start of an interruption until the agent is silent, in a recording of
    `seconds`."""
    talking = talking_at(said, start)
    if talking is None:
        return gap(NOT_INTERRUPTED)
    return gap(NEVER_STOPPED) if to_the_end(talking, seconds) else Measure(talking.end - start)


def false_starts(said: Sequence[Utterance], turns: Sequence[Span]) -> Measure:
    """How many turns the agent begins while the user is inside one (a pause is inside)."""
    if not turns:
        return gap("no turn of the user is known")
    begun = [own.start for own in said if takes_turn(own)]
    return Measure(float(sum(start <= time < end for time in begun for start, end in turns)))


def transfers(said: Sequence[Utterance], turns: Sequence[Span]) -> list[float]:
    """Seconds of each transfer of the floor between the sides: above 0 a gap, below an overlap.

    From the end of a turn to the start of the other side's next one (Heldner and Edlund, "Pauses,
    gaps and overlaps in conversations", 2010); a turn within one of the other's transfers nothing.
    """
    own = [(turn.start, turn.end, True) for turn in said if takes_turn(turn)]
    last, found = None, []
    for turn in sorted([*own, *((start, end, False) for start, end in turns)]):
        if last is not None and turn[1] <= last[1]:
            continue
        if last is not None and turn[2] != last[2]:
            found.append(turn[0] - last[1])
        last = turn
    return found


def gaps(seconds: Sequence[float]) -> Measure:
    """The gaps among transfers, and their mean."""
    found = tuple(own for own in seconds if own >= 0)
    return Measure(sum(found) / len(found), each=found) if found else gap("no gap")


def overlapping(seconds: Sequence[float]) -> Measure:
    """The overlaps among transfers, as seconds above 0, and their mean."""
    found = tuple(-own for own in seconds if own < 0)
    return Measure(sum(found) / len(found), each=found) if found else gap("no overlap")


def kept_talking(said: Sequence[Utterance], events: Sequence[Span], seconds: float) -> Measure:
    """The share of events (a "mm-hm", a bystander, a noise) through which the agent went on.

    An agent that was talking when an event began has kept talking if it does not end before the
    event has, plus 1 s, or the recording; one that ends of itself just then counts as stopped.
    Events at which it was silent are left out.
    """
    if not events:
        return gap("no such event is marked")
    found = [
        goes_on(talking, event, seconds)
        for event in events
        if (talking := talking_at(said, event[0]))
    ]
    return Measure(sum(found) / len(found)) if found else gap(SILENT_AT)


def goes_on(talking: Utterance, event: Span, seconds: float) -> bool:
    """Whether an utterance lasts until 1 s after an event, or to the end of a recording."""
    return talking.end >= min(event[1] + AFTER, seconds - 0.1)

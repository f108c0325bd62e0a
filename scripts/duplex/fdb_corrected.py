"""Full-Duplex-Bench v1.0's measures with their oddities mended.

The numbers are those of scripts/duplex/fdb_official.py.

1. Only an utterance inside the marked window counts: during a pause, after the end of a turn,
   after an interruption, during the user's story.
2. What is weighed is one utterance: speech without a silence of 0.5 s. It takes the turn if it
   lasts 1 s or has more than three words (of voice activity alone: if it lasts 1 s). Of one that
   begins before the end of the user's turn, only the part after that end is weighed.
3. Latency has a sign: below 0 the agent began before the user had ended.
4. It runs to the start of the utterance that took the turn, not to the first sound of the file.
5. An interruption is answered by an utterance that begins after the interruption has begun and goes
   on after its end. An agent that never stopped has not answered: its takeover is 0, and says so,
   and it has no latency.
6. An agent that was silent when the interruption began was not interrupted: a gap with that reason,
   and `interrupted` tells how many were. One that says nothing at all has takeover 0.
7. Sound is resampled to the detector's rate (scripts/duplex/hear.py).
8. A takeover stays one, whatever follows it.
9. Backchannels are the utterances that are no takeover, all of them: shorter than 1 s, with at most
   two words.
10. An agent without backchannels has no distance: a gap, counted beside the mean.
11. Takeovers and backchannels are those that overlap the user's story, and frequency is per second
    of it; the answer after its end is no takeover.
12. What was not answered is not rated: a gap, counted beside the mean, of services too.
"""

from __future__ import annotations

from collections.abc import Sequence

from scripts.duplex.fdb_official import FEW, SHORT, divergence, histogram
from scripts.duplex.spans import Measure, Span, Utterance, gap, overlaps

NOT_TAKEN = "the agent did not take the turn"
NOT_INTERRUPTED = "the agent was silent when the interruption began: nothing was interrupted"
NEVER_STOPPED = "the agent never stopped talking"
NOT_ANSWERED = "the agent did not answer the interruption"
NO_BACKCHANNEL = "the agent said no backchannel"


def takes_turn(utterance: Utterance) -> bool:
    """Whether an utterance is a turn of its own: it lasts 1 s or has more than three words."""
    return utterance.seconds >= SHORT or utterance.count > FEW


def is_backchannel(utterance: Utterance) -> bool:
    """Whether an utterance is shorter than 1 s and has at most two words."""
    return utterance.seconds < SHORT and utterance.count < FEW


def pause_takeover(said: Sequence[Utterance], pauses: Sequence[Span]) -> Measure:
    """1.0 if a turn of the agent overlaps one of the user's pauses. What the agent begins after a
    pause, while the user talks on, is a false start (scripts/duplex/turn_taking.py)."""
    if not pauses:
        return gap("no pause is marked")
    turns = [own for own in said if takes_turn(own)]
    return Measure(float(any(overlaps(t.start, t.end, pause) for t in turns for pause in pauses)))


def answer(said: Sequence[Utterance], turn_end: float, until: float) -> Utterance | None:
    """The utterance that takes the turn between the user's end and `until`, whole.

    It may have begun before the user's end, but what counts is its part after it.
    """
    for utterance in said:
        if turn_end < utterance.end and utterance.start < until:
            if takes_turn(utterance.after(turn_end)):
                return utterance
    return None


def turn_takeover(said: Sequence[Utterance], turn_end: float, until: float) -> Measure:
    """1.0 if the agent takes the turn between the user's end and `until`, when the user talks again
    or the recording ends."""
    return Measure(float(answer(said, turn_end, until) is not None))


def turn_latency(said: Sequence[Utterance], turn_end: float, until: float) -> Measure:
    """Seconds from the user's end to the start of the agent's turn; below 0 it began before."""
    found = answer(said, turn_end, until)
    return gap(NOT_TAKEN) if found is None else Measure(found.start - turn_end)


def talking_at(said: Sequence[Utterance], time: float) -> Utterance | None:
    """The utterance that is going on at `time`."""
    return next((own for own in said if own.start < time < own.end), None)


def interrupted(said: Sequence[Utterance], interruption: Span) -> Measure:
    """1.0 if the agent was talking when the interruption began."""
    return Measure(float(talking_at(said, interruption[0]) is not None))


def reply(said: Sequence[Utterance], interruption: Span, until: float) -> Utterance | None:
    """The first turn that the agent begins after an interruption has begun, before `until`."""
    starts = (own for own in said if interruption[0] <= own.start < until and takes_turn(own))
    # What ends before the user does is no answer to the user's words.
    return next((own for own in starts if own.end > interruption[1]), None)


def interruption_takeover(
    said: Sequence[Utterance], interruption: Span, until: float, seconds: float
) -> Measure:
    """1.0 if the agent answers the interruption before `until`, 0.0 if it does not.

    `seconds` is the length of the recording: who talks to its end has never stopped.
    """
    if not said:
        return Measure(0.0)
    talking = talking_at(said, interruption[0])
    if talking is None:
        return gap(NOT_INTERRUPTED)
    if reply(said, interruption, until):
        return Measure(1.0)
    return Measure(0.0, note=NEVER_STOPPED if to_the_end(talking, seconds) else "")


def interruption_latency(
    said: Sequence[Utterance], interruption: Span, until: float, seconds: float
) -> Measure:
    """Seconds from the end of the interruption to the start of the agent's answer; below 0 it began
    while the user was still talking."""
    talking = talking_at(said, interruption[0])
    if talking is None:
        return gap(NOT_INTERRUPTED if said else NOT_ANSWERED)
    found = reply(said, interruption, until)
    if found is None:
        return gap(NEVER_STOPPED if to_the_end(talking, seconds) else NOT_ANSWERED)
    return Measure(found.start - interruption[1])


def to_the_end(utterance: Utterance, seconds: float) -> bool:
    """Whether an utterance goes on to the end of a recording, but for the end's last tenth."""
    return utterance.end >= seconds - 0.1


def backchannel_takeover(said: Sequence[Utterance], story: Span) -> Measure:
    """1.0 if anything that is no backchannel overlaps the user's story."""
    return Measure(float(any(not is_backchannel(own) for own in during(said, story))))


def backchannels(said: Sequence[Utterance], story: Span) -> list[Span]:
    """The agent's backchannels during the user's story."""
    return [(own.start, own.end) for own in during(said, story) if is_backchannel(own)]


def during(said: Sequence[Utterance], story: Span) -> list[Utterance]:
    """The utterances that overlap the user's story."""
    return [own for own in said if overlaps(own.start, own.end, story)]


def frequency(said: Sequence[Utterance], story: Span) -> Measure:
    """Backchannels per second of the user's story."""
    return Measure(len(backchannels(said, story)) / (story[1] - story[0]))


def distance(
    said: Sequence[Utterance], story: Span, seconds: float, expected: Sequence[float]
) -> Measure:
    """Jensen-Shannon distance (natural logarithm, 0 to .833) of when backchannels came from
    `expected`, a vector over the recording of `seconds`."""
    found = backchannels(said, story)
    if not found:
        return gap(NO_BACKCHANNEL)
    return Measure(divergence(histogram(found, seconds), expected))

"""Full-Duplex-Bench v1.5's measures with their oddities mended, from activity and events alone.

The numbers are those of scripts/duplex/overlap_official.py.

1. Only the marked overlap counts.
2. Stop latency runs until the agent is silent, and one that goes on has none.
3. Only an interruption wants an answer: its latency is that of scripts/duplex/fdb_corrected.py.
4. An agent that was silent when the overlap began has no behaviour: a gap with that reason.
5. What it did in the clean counterpart tells why it is silent: if it ended there by then, too, it
   was not stopped, a gap with that reason. Without a counterpart the note says that this is not
   known.
6. Speech after the overlap is compared with that after the same time in the clean counterpart, and
   less than 1 s of speech in either is a gap. Pitch is in semitones, as voices differ.
7. The rate is that of the words in its time of talking.
8. To go on is a behaviour of its own.

The behaviour is one of three: `went_on` while the overlap lasted and 1 s longer, or to the end of
the recording; `spoke_again`: stopped, and began a turn that goes on after the overlap's end;
`fell_silent`: stopped, and began none. Whether what is said again answers the overlap or resumes
what went before, activity cannot tell. Wanted is to speak again after an interruption, and to go on
through all others.
"""

from __future__ import annotations

from collections.abc import Sequence

from scripts.duplex.fdb_corrected import reply, talking_at
from scripts.duplex.spans import JOIN, Measure, Span, Utterance, gap
from scripts.duplex.turn_taking import SILENT_AT, goes_on

WENT_ON, SPOKE_AGAIN, FELL_SILENT = "went_on", "spoke_again", "fell_silent"
BEHAVIOURS = (WENT_ON, SPOKE_AGAIN, FELL_SILENT)
OF_ITSELF = "the agent ended by then without the overlap, too"
NOT_STOPPED = "the agent went on"
ALONE = "no clean counterpart: it may have ended of itself"

Said = Sequence[Utterance]


def behaviour(
    said: Said, clean: Said | None, overlap: Span, until: float, seconds: float, wanted: str
) -> Measure:
    """What the agent does about an overlap, as the label; 1.0 if that is `wanted`, else 0.0.

    `said` are the agent's utterances in a recording of `seconds`, `clean` those without the
    overlap (None: not known); `until` is when the user talks again.
    """
    talking = talking_at(said, overlap[0])
    if talking is None:
        return gap(SILENT_AT)
    if goes_on(talking, overlap, seconds):
        return Measure(float(wanted == WENT_ON), label=WENT_ON)
    if ended_of_itself(talking, clean, overlap[0]):
        return gap(OF_ITSELF)
    label = SPOKE_AGAIN if reply(said, overlap, until) else FELL_SILENT
    return Measure(float(wanted == label), label=label, note=ALONE if clean is None else "")


def stop_latency(said: Said, clean: Said | None, overlap: Span, seconds: float) -> Measure:
    """Seconds from the start of an overlap until an agent that does not go on is silent."""
    talking = talking_at(said, overlap[0])
    if talking is None:
        return gap(SILENT_AT)
    if goes_on(talking, overlap, seconds):
        return gap(NOT_STOPPED)
    if ended_of_itself(talking, clean, overlap[0]):
        return gap(OF_ITSELF)
    return Measure(talking.end - overlap[0], note=ALONE if clean is None else "")


def ended_of_itself(talking: Utterance, clean: Said | None, time: float) -> bool:
    """Whether what the agent was saying at `time` in the clean counterpart has ended, too, when
    `talking` ends, or within 0.5 s of it."""
    there = talking_at(clean or [], time)
    return there is not None and there.end < talking.end + JOIN


def talk_change(activity: Sequence[Span], clean: Sequence[Span], start: float, end: float) -> float:
    """Seconds that the agent talks from the overlap's start to the recording's end, less those in
    the clean counterpart: below 0 the overlap has silenced it."""
    return talked(activity, start, end) - talked(clean, start, end)


def talked(activity: Sequence[Span], start: float, end: float) -> float:
    """Seconds of activity in a window."""
    return sum(max(0.0, min(b, end) - max(a, start)) for a, b in activity)

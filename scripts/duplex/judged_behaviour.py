"""What a language model is asked about an overlap: the agent's behaviour by Full-Duplex-Bench v1.5.

It reads both sides with and without the overlap, with times: the user's words as they are marked,
the agent's as the first recogniser heard them, a line for each stretch of speech. What the agent
says with the overlap is divided at the first word that begins after it has begun.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scripts.backends.asr import Word
from scripts.common.prompts import Prompt
from scripts.duplex import ratings
from scripts.duplex.material import OVERLAPS
from scripts.duplex.measures import Heard, Key
from scripts.duplex.overlap_official import BEHAVIOURS
from scripts.duplex.spans import Gap, Measure, spoken
from scripts.rows.duplex import DuplexItem, Event

PLACES = {"user", "undisturbed", "overlap", "before", "after"}
NOTHING, UNKNOWN = "(nothing)", "(not known)"


def keys(item: DuplexItem, judge: str) -> list[Key]:
    """The verdict that an item has: one if it has a clean counterpart."""
    return [Key("behaviour", "official", judge)] if item.clean and item.task in OVERLAPS else []


def request(heard: Heard, prompt: Prompt, recogniser: str) -> ratings.Asked | Measure:
    """What the judge is asked, or the verdict on an agent that says nothing more, which is
    `unknown`. Raises Gap where words are not known."""
    if heard.clean is None:
        raise Gap("the item has no clean counterpart")
    kind = OVERLAPS[heard.item.task]
    start, _ = heard.mark(kind)
    events = [event for event in heard.item.events if event.text]
    overlaps = [event for event in events if event.kind == kind]
    if not overlaps:
        raise Gap("the words of the overlap are not known")
    said = heard.words(recogniser)
    after = [word for word in said if word.start >= start]
    if not after:
        return Measure(0.0, label="unknown", note="no words after the overlap has begun")
    wanted = "respond" if kind == "interruption" else "resume"
    labels = (wanted, *(own for own in BEHAVIOURS if own != wanted))
    before = [event for event in events if event.kind == "user"]
    chat = prompt.chat(
        user=user_lines(before) if before else UNKNOWN,
        overlap=user_lines(overlaps),
        undisturbed=agent_lines(heard.clean().heard(recogniser)),
        before=agent_lines([word for word in said if word.start < start]),
        after=agent_lines(after),
    )
    return ratings.asked(chat, labels)


def user_lines(events: Iterable[Event]) -> str:
    """The user's words with times; sounds in the background in brackets."""
    return lines(
        (event.start, event.end, f"({event.text})" if event.kind == "noise" else event.text)
        for event in events
    )


def agent_lines(words: Sequence[Word]) -> str:
    """The agent's words, a line for each stretch without a silence of 0.5 s."""
    return lines(
        (
            part.start,
            part.end,
            " ".join(word.word for word in words if part.start <= word.start <= part.end),
        )
        for part in spoken(words)
    )


def lines(parts: Iterable[tuple[float, float, str]]) -> str:
    """Stretches of words with their times."""
    told = [f"{start:.1f}-{end:.1f} s: {text}" for start, end, text in parts]
    return "\n".join(told) or NOTHING

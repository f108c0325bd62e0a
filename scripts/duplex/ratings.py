"""What a language model says of replies, read strictly: a rating from 0 to 5, or a behaviour.

A reply of the model that is not in the form asked for is a gap with the whole reply beside it:
never a zero, and never asked again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from scripts.backends.llm import LlmBackend, why_none
from scripts.common.progress import progress
from scripts.common.prompts import Chat
from scripts.duplex.spans import Measure, gap

RATING, BEHAVIOUR = "Rating", "Behaviour"
TOKENS = 16  # of a verdict
BATCH = 64  # asked at once
LINE = r"^[ \t*_-]*{}[ \t*_]*:[ \t*_]*(.*?)[ \t*_.]*$"
NUMBER = re.compile(r"([0-5](?:\.\d+)?)(?: ?(?:/|out of) ?5)?")
RAW = 500  # characters of an unusable reply that are kept


@dataclass(frozen=True)
class Asked:
    """A verdict to be asked for: a rating, or with `labels` one of these, the first the wanted."""

    chat: tuple[tuple[str, str], ...]
    labels: tuple[str, ...] = ()


def asked(chat: Chat, labels: tuple[str, ...] = ()) -> Asked:
    """The request of a chat; equal ones are asked for once."""
    return Asked(tuple((part["role"], part["content"]) for part in chat), labels)


def rate(model: LlmBackend, requests: Sequence[Asked]) -> dict[Asked, Measure]:
    """The verdicts that the model gives, by request."""
    distinct = list(dict.fromkeys(requests))
    parts = [distinct[start : start + BATCH] for start in range(0, len(distinct), BATCH)]
    found = {}
    for part in progress(parts, len(parts), "ratings, batches"):
        chats = [[{"role": who, "content": what} for who, what in own.chat] for own in part]
        for own, chat, reply in zip(part, chats, model.generate(chats, TOKENS), strict=True):
            # A reply that was begun for the model comes without its beginning.
            begun = chat[-1]["content"] if chat[-1]["role"] == "assistant" else ""
            whole = reply if reply.startswith(begun) else begun + " " + reply.lstrip()
            found[own] = read(whole, why_none(reply), own.labels)
    return found


def read(reply: str, reason: str | None = None, labels: Sequence[str] = ()) -> Measure:
    """The verdict of a reply: one line "Rating: N" with N from 0 to 5, and no second one; with
    `labels` one line "Behaviour: LABEL", which is 1.0 for the first of them and 0.0 for others.

    Anything else is unusable. `reason`: why there is no reply at all.
    """
    if reason is not None:
        return gap(f"the judge gave no reply: {reason}")
    line = LINE.format(BEHAVIOUR if labels else RATING)
    said = re.findall(line, reply, re.IGNORECASE | re.MULTILINE)
    verdict = said[0] if len(said) == 1 else ""
    number = NUMBER.fullmatch(verdict)
    if labels and verdict.lower() in labels:
        return Measure(float(verdict.lower() == labels[0]), label=verdict.lower())
    if labels or number is None or float(number[1]) > 5:
        return Measure(None, "an unusable verdict", note=reply[:RAW])
    return Measure(float(number[1]))

"""Ratings of replies by a language model, 0 to 5, read strictly.

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

RATING = "Rating"
TOKENS = 16  # of a rating
BATCH = 64  # asked at once
LINE = re.compile(
    rf"^[ \t*_-]*{RATING}[ \t*_]*:[ \t*_]*(.*?)[ \t*_.]*$", re.IGNORECASE | re.MULTILINE
)
NUMBER = re.compile(r"([0-5](?:\.\d+)?)(?: ?(?:/|out of) ?5)?")
RAW = 500  # characters of an unusable reply that are kept


@dataclass(frozen=True)
class Asked:
    """A rating to be asked for."""

    chat: tuple[tuple[str, str], ...]


def asked(chat: Chat) -> Asked:
    """The request of a chat; equal ones are asked for once."""
    return Asked(tuple((part["role"], part["content"]) for part in chat))


def rate(model: LlmBackend, requests: Sequence[Asked]) -> dict[Asked, Measure]:
    """The ratings that the model gives, by request."""
    distinct = list(dict.fromkeys(requests))
    parts = [distinct[start : start + BATCH] for start in range(0, len(distinct), BATCH)]
    found = {}
    for part in progress(parts, len(parts), "ratings, batches"):
        chats = [[{"role": who, "content": what} for who, what in own.chat] for own in part]
        for own, chat, reply in zip(part, chats, model.generate(chats, TOKENS), strict=True):
            # A reply that was begun for the model comes without its beginning.
            begun = chat[-1]["content"] if chat[-1]["role"] == "assistant" else ""
            whole = reply if reply.startswith(begun) else begun + " " + reply.lstrip()
            found[own] = read(whole, why_none(reply))
    return found


def read(reply: str, reason: str | None = None) -> Measure:
    """The number of a reply: one line "Rating: N" with N from 0 to 5, and no second one.

    Anything else is unusable. `reason`: why there is no reply at all.
    """
    if reason is not None:
        return gap(f"the judge gave no reply: {reason}")
    lines = LINE.findall(reply)
    number = NUMBER.fullmatch(lines[0]) if len(lines) == 1 else None
    if number is None or float(number[1]) > 5:
        return Measure(None, "an unusable verdict", note=reply[:RAW])
    return Measure(float(number[1]))

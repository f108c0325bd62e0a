"""Prompt files: Markdown with a head comment and one message under each known heading.

A placeholder {name} is filled only if the caller knows it; braces of JSON are left alone, and
filled-in text is not scanned again, so a role may be called "{count}".
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.common.tables import text_of

COMMENT = re.compile(r"\A\s*<!--.*?-->", re.DOTALL)
HEADING = re.compile(r"^# (.+?)\s*$", re.MULTILINE)
PLACE = re.compile(r"\{([A-Za-z_]+)\}")
SPEAKERS = {
    **{"System": "system", "User": "user", "Reply": "assistant"},
    **{"Role": "system", "Answer": "system"},  # of a system under test: its role, how it answers
}
LISTS = ("Tasks", "Labels")
BAR = " | "  # separates the two parts of a list item

Chat = list[dict[str, str]]


@dataclass(frozen=True)
class Prompt:
    """The messages of a prompt file in order, and its lists: the pairs separated by BAR."""

    messages: Chat
    lists: dict[str, list[tuple[str, str]]]

    def chat(self, **places: str) -> Chat:
        """The messages with placeholders filled, in one pass; other braces are unchanged."""
        return [
            {
                "role": message["role"],
                "content": PLACE.sub(lambda p: places.get(p[1], p[0]), message["content"]),
            }
            for message in self.messages
        ]

    @property
    def text(self) -> str:
        """The text of all messages, with placeholders."""
        return "\n".join(message["content"] for message in self.messages)


def read_prompt(
    path: Path,
    needed: set[str],
    allowed: Set[str] = frozenset(),
    parts: tuple[str, ...] = ("User",),
) -> Prompt:
    """Read a prompt file that must have the `needed` placeholders and may have the `allowed` ones.

    `parts` are its required headings, in order. Raises UserError naming the file
    and what is missing, unknown or empty.
    """
    prompt, headings = parts_of(path)
    titles = iter(headings)
    for part in parts:
        if part not in titles:
            raise UserError(f"{path} has no part '# {part}' where one must stand ({parts}).")
    found = {place for message in prompt.messages for place in PLACE.findall(message["content"])}
    for place in sorted(found - needed - allowed):
        raise UserError(f"{path}: {{{place}}} stands for nothing{nearest(place, needed | allowed)}")
    for place in sorted(needed - found):
        raise UserError(f"{path}: the place {{{place}}} is missing; it must stand in a message.")
    return prompt


def parts_of(path: Path) -> tuple[Prompt, list[str]]:
    """A prompt file, whatever its placeholders, and its headings in order. Raises UserError if
    there is no such file or a heading is unknown."""
    if not Path(path).exists():
        raise UserError(f"the prompt {path} does not exist; see the config.")
    text = "\n".join(text_of(path).splitlines())
    pieces = HEADING.split(COMMENT.sub("", text))
    messages, lists = [], {}
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if title in LISTS:
            halves = [line.partition(BAR) for line in body.splitlines() if line.strip()]
            lists[title] = [(first.strip(), second.strip()) for first, _, second in halves]
        elif title in SPEAKERS:
            messages.append({"role": SPEAKERS[title], "content": body.strip()})
        else:
            valid = [*SPEAKERS, *LISTS]
            raise UserError(f"{path}: no part is called '# {title}'{nearest(title, valid)}")
    return Prompt(messages, lists), pieces[1::2]

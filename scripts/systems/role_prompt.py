"""The role prompt: a file of config/prompts with the places of a role filled in."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.common.config import nearest
from scripts.common.records import Dialogue, Profile
from scripts.common.stage import UserError

LINES = 4  # examples of how a role talks
PLACE = re.compile(r"\{(\w+)\}")
PLACES = {
    "name": lambda person, dialogue: person.name,
    "work": lambda person, dialogue: person.work,
    "profile": lambda person, dialogue: f"{person.profile}\n{person.background}".strip(),
    "lines": lambda person, dialogue: "\n".join(f"- {line}" for line in person.lines[:LINES]),
    "context": lambda person, dialogue: dialogue.context,
}


def read_prompt(path: Path) -> tuple[str, str]:
    """The two parts of a prompt file: who the role is ("# Role"), how to answer ("# Answer").

    In both, {name}, {work}, {profile}, {lines} and {context} (the script that the dialogue was
    written from) stand for the role's. Raises UserError for a missing heading or another place.
    """
    text = path.read_text(encoding="utf-8")
    parts = re.fullmatch(r"\s*# Role\n(.*)\n# Answer\n(.*)", text, re.DOTALL)
    if not parts:
        raise UserError(f"{path} must have a heading '# Role' and after it one '# Answer'.")
    for place in PLACE.findall(text):
        if place not in PLACES:
            raise UserError(f"{path}: {{{place}}} stands for nothing{nearest(place, PLACES)}")
    return parts[1].strip(), parts[2].strip()


def fill(template: str, person: Profile, dialogue: Dialogue) -> str:
    """Put the role's words into the places of a template."""
    return PLACE.sub(lambda place: PLACES[place[1]](person, dialogue), template)

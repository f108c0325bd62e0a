"""Estimated lengths of the dialogues that will be written: they follow the prompts in use.

A model writes lines about as long as those of its prompt's example, which is the first "# Reply" of
the file: JSON with whole dialogues. Of a prompt without one, dialogues are taken to be as long as
the paper's. Imported by the Snakefile.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.common.prompts import parts_of

MEDIUM = 7200.0  # seconds of a medium
CLIPS = 0.3  # share of a medium that ends up in clips
TURNS = {"single": 1, "multi": 3}  # of the user in a dialogue
# The paper's Table 1: 255.23 and 827.82 hours of 53,905 single- and 57,941 multi-turn dialogues.
USER, ROLE = 4.0, 13.1  # seconds of a line
LETTERS = {"English": 15.0, "Chinese": 4.5}  # of a line in a second of speech
BYTES = 3.5  # UTF-8 of a token, in either language
DESCRIBED, EXCERPT = 200, 120  # tokens of a role's description, of a stretch of script
SCRIPT = MEDIUM * CLIPS * 3.6  # tokens of a script without a file: what is said in a medium's clips


@dataclass(frozen=True)
class Length:
    """The length of a dialogue of one mode."""

    turns: float  # of the user
    user: float  # seconds of all of them
    role: float  # seconds of the answers
    tokens: float  # as a model writes it
    read: float  # tokens of the prompt


def mean_length(settings: Mapping[str, Any], mode: str, roles: Sequence[Mapping]) -> Length:
    """The mean over the roles (rows of roles.tsv); `settings` is the config's `write`."""
    found = [_length(settings, mode, row) for row in roles] or [_typical(mode)]
    return Length(
        **{
            own.name: sum(getattr(one, own.name) for one in found) / len(found)
            for own in fields(Length)
        }
    )


def _typical(mode: str, read: float = 1000) -> Length:
    turns = TURNS[mode]
    return Length(turns, turns * USER, turns * ROLE, 40 + 80 * turns, read)


def _length(settings: Mapping[str, Any], mode: str, role: Mapping[str, str]) -> Length:
    language, turns = role["language"], TURNS[mode]
    read = DESCRIBED + _script(settings["excerpts"], role)
    try:
        prompt, _ = parts_of(_here(settings["prompts"][mode][language]))
        read += _tokens(prompt.text)
        example = next(part["content"] for part in prompt.messages if part["role"] == "assistant")
        dialogues = json.loads(example)
        lines = [turn for dialogue in dialogues for turn in dialogue["dialogue"]]
        user, answer = (
            turns * sum(len(line[who]) for line in lines) / len(lines) / LETTERS[language]
            for who in ("user", "role")
        )
    except (UserError, StopIteration, LookupError, TypeError, ValueError, ZeroDivisionError):
        return _typical(mode, read)  # `write` refuses the file, or it has no whole example
    share = turns * len(dialogues) / len(lines)
    tokens = share * _tokens(example) / len(dialogues)
    return Length(turns, user, answer, tokens, read)


def _script(excerpts: int | str, role: Mapping[str, str]) -> float:
    """Tokens of the script that a call shows."""
    if isinstance(excerpts, int):
        return excerpts * EXCERPT
    file = _here(role["script"])
    return file.stat().st_size / BYTES if role["script"] and file.is_file() else SCRIPT


def _tokens(text: str) -> float:
    return len(text.encode()) / BYTES


def _here(path: str) -> Path:
    """A file that the config names, in the working directory or the project."""
    return Path(path) if Path(path).is_file() else ROOT / path

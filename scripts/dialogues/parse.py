"""Parses dialogues from a language model's reply, leniently, with what is wrong with each.

Valid JSON is used wherever it occurs. If that does not give every dialogue that the reply mentions,
other kinds of quotes are read as JSON's, and then fences, trailing commas and missing brackets are
repaired (json-repair); a repaired line counts only if the reply contains it from end to end, so
that no line truncated by the reply's end or a comma passes as complete. The form of the dialogues
is checked with pydantic.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import json_repair
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scripts.backends.replies import PAIRS, START, json_values, requoted
from scripts.common.json_path import loads, mended
from scripts.common.spoken_text import aloud
from scripts.rows.dialogues import Exchange
from scripts.rows.jsonl import fault_of

END = "\u2404"  # appended to the reply: a line that contains it was truncated
FENCE = re.compile(r"^\s*```.*$", re.MULTILINE)
HAN = re.compile(r"[\u3400-\u9fff]")
WORD = re.compile(r"[^\W\d_\u3400-\u9fff]+")
NAMED = re.compile(r"[\[{,\"'“‘「『]\s*dialogue\s*[\"'”’」』]?\s*[:：]", re.IGNORECASE)
QUOTES = "\"'“”‘’「」『』"
# What follows a complete line; and what occurs only in a line that ran on or has broken escapes.
NAME = rf"[{QUOTES}]?\s*(?:dialogue|user|role|context)\s*[{QUOTES}]?\s*[:：]"
AFTER = rf"(?:[}}\]](?=\s*(?:[}}\],\[{{]|$))|,\s*(?:[}}\]]|{NAME})|$)"
SWALLOWED = re.compile(rf"[{QUOTES}]\s*[}}\]]|\\")
TURNS = {"single": (1, 1), "multi": (2, 4)}  # paper, Figures 6 to 9


class WrittenTurn(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)
    user: str = Field(min_length=1)
    role: str = Field(min_length=1)


class Written(BaseModel):
    """One dialogue of a reply; `context` holds numbers of excerpts or their words."""

    dialogue: list[WrittenTurn]
    context: Any = None


@dataclass(frozen=True)
class Found:
    """A dialogue of a reply, or in `fault` why it cannot be used."""

    turns: list[Exchange]
    context: str
    fault: str | None = None


def parse(reply: str, mode: str, language: str, excerpts: list[str], prompt: str) -> list[Found]:
    """The dialogues in `reply`, usable or not; an empty list means that there are none.

    `excerpts` are those shown to the model, in order of their numbers; `prompt` is the text of the
    prompt file: a question copied from it (the example's) is no new dialogue.
    """
    reply = _unpacked(reply)
    start = START.search(reply)
    if not start:
        return []
    text, count = reply[start.start() :], len(NAMED.findall(reply))
    for form, origin in ((text, ""), (requoted(text), text)):
        items = _dialogues(list(json_values(form)))
        if items and len(items) >= count:
            return [_found(item, mode, language, excerpts, prompt, origin) for item in items]
    text = FENCE.sub("", text)
    try:
        items = _dialogues(json_repair.loads(f"[{text}{END}"))
    except (RecursionError, ValueError):  # nested too deeply, or a number of thousands of digits
        items = []
    return [_found(item, mode, language, excerpts, prompt, text) for item in items]


def _unpacked(reply: str) -> str:
    """The text of a reply that is one JSON string, as in doubly encoded JSON."""
    try:
        value = loads(reply)
    except ValueError:
        return reply
    return value if isinstance(value, str) else reply


def _dialogues(value: Any) -> list[dict]:
    """All objects with a field "dialogue", in order, at any nesting; keys are lower-cased and
    stripped."""
    found, left = [], [value]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            named = _plain(value)
            if "dialogue" in named:
                turns = named["dialogue"]
                if isinstance(turns, list):
                    named["dialogue"] = [_plain(t) if isinstance(t, dict) else t for t in turns]
                found.append(named)
            else:
                left += reversed(value.values())
        elif isinstance(value, list):
            left += reversed(value)
        elif isinstance(value, str) and NAMED.search(value):
            left += reversed(list(json_values(value)))
    return found


def _plain(item: dict) -> dict[str, Any]:
    """An object with lower-cased keys; None for keys that then occur twice."""
    names = Counter(str(name).strip().casefold() for name in item)
    plain = {str(name).strip().casefold(): value for name, value in item.items()}
    return {name: value if names[name] == 1 else None for name, value in plain.items()}


def _found(
    item: dict, mode: str, language: str, excerpts: list[str], prompt: str, mended_from: str = ""
) -> Found:
    try:
        written = Written.model_validate(mended(item))
    except ValidationError as error:
        return Found([], "", f"not a dialogue ({fault_of(error)})")
    except RecursionError:
        return Found([], "", "not a dialogue (nested too deeply)")
    turns = [Exchange(user=turn.user, role=turn.role) for turn in written.dialogue]
    context = _context(written.context, excerpts)
    return Found(turns, context, _fault(turns, mode, language, prompt, mended_from))


def _fault(
    turns: list[Exchange], mode: str, language: str, prompt: str, mended_from: str
) -> str | None:
    fewest, most = TURNS[mode]
    lines = [line for turn in turns for line in (turn.user, turn.role)]
    if not fewest <= len(turns) <= most:
        return f"{len(turns)} turns; a {mode}-turn dialogue has {fewest} to {most}"
    if any(END in line for line in lines):
        return "the reply ended in the middle of a line"
    for turn in turns if mended_from else []:
        for who, line in (("user", turn.user), ("role", turn.role)):
            if not _stands(who, line, mended_from):
                return f"the JSON cannot be mended without doubt: {line}"
    for line in lines:
        if not speaks(line, language):
            return f"not {language}: {line}"
        if not aloud(line):
            return f"nothing in it is said aloud: {line}"
    for turn in turns:
        if turn.user in prompt:
            return f"a question of the prompt's own: {turn.user}"
    if len(set(lines)) < len(lines):
        return "the same line twice"
    return None


def _stands(who: str, line: str, text: str) -> bool:
    """Whether the reply contains a repaired line from its key to the end of its string: the quote
    that it began with, before a bracket, or a comma and another key. The end of an unquoted line is
    unknown."""
    forms = {line, json.dumps(line)[1:-1], json.dumps(line, ensure_ascii=False)[1:-1]}
    either = "|".join(r"\s+".join(map(re.escape, form.split())) for form in forms)
    whole = "|".join(rf"{first}\s*(?:{either})\s*{last}" for first, last in PAIRS.items())
    found = re.search(rf"{who}\s*[{QUOTES}]?\s*[:：]\s*(?:{whole})\s*{AFTER}", text, re.IGNORECASE)
    return found is not None and not SWALLOWED.search(line)


def speaks(line: str, language: str) -> bool:
    """Whether a line has more words of the language's script than of the other one.

    A Han character counts as a word; names in the other script are allowed.
    """
    han, words = len(HAN.findall(line)), len(WORD.findall(line))
    return han >= max(words, 1) if language == "Chinese" else words > han


def _context(value: Any, excerpts: list[str]) -> str:
    """The script that a dialogue draws on: the excerpts given by number, or the reply's words.

    Without either, all excerpts that were shown are its context.
    """
    words = " ".join(map(str, value)) if isinstance(value, list) else str(value or "")
    words = words.replace(END, "").strip()
    if re.fullmatch(r"[\[\]\d\s,]*", words):
        numbers = {int(digits) for digits in re.findall(r"\d{1,6}", words)}
        named = [text for number, text in enumerate(excerpts, 1) if number in numbers]
        return "\n\n".join(named or excerpts)
    return words

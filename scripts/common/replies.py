"""What language models reply, made fit to be read: without thoughts, and the JSON found.

Nothing here raises for what a model said: a reply that holds nothing gives nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

# Marks around what a model thinks before it answers, whatever it calls that: <think> ... </think>,
# [THINK], <|begin_of_thought|>, <seed:think>, ◁think▷. The first one may stand in the prompt.
NAME = r"([a-z][\w:-]*)\|?[>▷]"
OPENING = re.compile(rf"(?:<\|?|◁)(?:begin_of_)?{NAME}|\[((?-i:THINK))\]", re.IGNORECASE)
CLOSING = re.compile(rf"(?:</|<\|/|<\|end_of_|◁/){NAME}|\[/((?-i:THINK))\]", re.IGNORECASE)
THOUGHT = re.compile(
    r"(?:[\w:-]*[_:-])?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratch_?pad"
    r"|plan(?:ning)?|monologue|deliberation|pondering|cot)",
    re.IGNORECASE,
)
# A closing mark of another name without an opening one closes thoughts too, but for these.
ANSWER = "answer|response|reply|output|final"
OTHERS = re.compile(
    rf"{ANSWER}|dialogues?|json|role|user|assistant|system|text|turn|message|inst|s|b|i|u|p|em|br|li"
    "|code|span|div|strong",
    re.IGNORECASE,
)
WRAPPED = re.compile(rf"\s*<({ANSWER})>(.*?)(?:</\1>\s*|$)", re.IGNORECASE | re.DOTALL)
# OpenAI's harmony: channels, of which "final" is the answer; with its marks and decoded without.
CHANNEL = re.compile(r"<\|channel\|>\s*(\w+).*?<\|message\|>", re.DOTALL)
ENDS = re.compile(r"<\|(?:return|end|call)\|>")
BARE_ANALYSIS = re.compile(r"\s*analysis(?=[^\sa-z])")
BARE_FINAL = re.compile(r"assistant\s*final")

START = re.compile(r"[\[{]")
PAIRS = {'"': '"', "“": "”", "”": "”", "'": "'", "‘": "’", "「": "」", "『": "』"}
# A string of JSON in any quotes: it begins behind a mark of JSON's and ends before one, so that an
# apostrophe or a quotation within it ends nothing.
NEXT = r"(?=\s*(?:[:：}\]]|,\s*[\[{\"“”'‘「『]|$))"
STRING = re.compile(
    r"(?<=[\[{,:：])(\s*)(?:"
    + "|".join(f"{first}((?:[^\\\\]|\\\\.)*?){last}{NEXT}" for first, last in PAIRS.items())
    + ")",
    re.DOTALL,
)


def without_thoughts(reply: str) -> str:
    """What a reply answers, behind all that the model thought; empty if it ended in thought."""
    channels = list(CHANNEL.finditer(reply))
    if channels:
        final = channels[-1][1].lower() == "final"
        return ENDS.split(reply[channels[-1].end() :])[0].lstrip() if final else ""
    if BARE_ANALYSIS.match(reply):
        parts = BARE_FINAL.split(reply)
        return parts[-1].lstrip() if len(parts) > 1 else ""
    start, opened = 0, list(_marks(OPENING, reply))
    for place, end, name in _marks(CLOSING, reply):
        alone = not any(before < place and name == own for before, _, own in opened)
        if THOUGHT.fullmatch(name) or (alone and not OTHERS.fullmatch(name)):
            start = end
    if any(place >= start and THOUGHT.fullmatch(name) for place, _, name in opened):
        return ""
    answer = reply[start:].lstrip() if start else reply
    wrapped = WRAPPED.fullmatch(answer)
    return wrapped[2].strip() if wrapped else answer


def _marks(pattern: re.Pattern, text: str) -> Iterator[tuple[int, int, str]]:
    """Where each mark begins and ends, and its name."""
    for found in pattern.finditer(text):
        yield found.start(), found.end(), (found[1] or found[2]).lower()


def json_values(text: str) -> Iterator[Any]:
    """The arrays and objects of strict JSON in a text, in order, whatever stands around them."""
    decoder, place = json.JSONDecoder(strict=False), 0  # a line may be broken within a string
    while start := START.search(text, place):
        try:
            value, place = decoder.raw_decode(text, start.start())
            yield value
        except (ValueError, RecursionError):
            place = start.end()


def requoted(text: str) -> str:
    """`text` with the strings that look like JSON's in JSON's quotes, whatever quotes they had."""

    def string(found: re.Match) -> str:
        inner = next(part for part in found.groups()[1:] if part is not None)
        inner = re.sub(r"\\'", "'", inner)
        inner = re.sub(r'(?<!\\)((?:\\\\)*)"', r'\1\\"', inner)
        return f'{found[1]}"{inner}"'

    return STRING.sub(string, text)

"""The prompts of a judge that listens, and the parsing of its replies.

Protocols: `per_metric` (paper, Figure 10: one call per metric, rationale before scores) and `joint`
(one call for all metrics, answered in JSON). Orders: `paper` (the tested system is A), `both` (two
calls, one in each order) and `random` (from a hash of the pair and the sample, so it is the same in
every run). Everything here is text; nothing is sent.

Replies are parsed strictly: anything but the requested format raises `Unusable`. Nothing is
clamped, rounded or guessed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.backends.judge import Metric, Pair
from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.common.prompts import PLACE, Prompt, read_prompt
from scripts.rows.judging import Order

PER_METRIC, JOINT = "per_metric", "joint"
ORDERS = ("paper", "both", "random")
TEST: Order = "test first"
REFERENCE: Order = "reference first"

DATA = ("name", "work", "profile", "context", "question")  # placeholders for fenced data
LAST = {PER_METRIC: {"metric"}, JOINT: {"metrics", "ids"}}  # placeholders after the audio
CUTS = re.compile(r"\{(audio_a|audio_b)\}")
SCORES = re.compile(r"\[Scores\]: *\( *(10|[1-9]) *, *(10|[1-9]) *\)")
OTHER = re.compile(r"^[^\w\n]*(?:final )?scores?\b.*[0-9]", re.IGNORECASE | re.MULTILINE)
PAIR = re.compile(r"\( *([0-9]+) *, *([0-9]+) *\)")
FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)
KEYS = ["rationale", "score_a", "score_b"]


class Unusable(ValueError):
    """A reply that is not in the requested format; says what is wrong with it."""


@dataclass(frozen=True)
class Read:
    """A reply's rationale and scores for one metric."""

    rationale: str
    a: int
    b: int


class Protocol:
    """One of the protocols with its prompt."""

    def __init__(self, name: str, prompt: Prompt):
        self.name = name
        self.system = prompt.messages[0]["content"]
        before, _, between, _, after = CUTS.split(prompt.messages[1]["content"])
        split = min(after.index(f"{{{place}}}") for place in LAST[name])
        self.parts = (before, between, after[:split])
        self.tail = after[split:]

    def groups(self, metrics: Sequence[Metric]) -> list[list[Metric]]:
        """The metrics grouped by call."""
        return [[metric] for metric in metrics] if self.name == PER_METRIC else [list(metrics)]

    def texts(self, pair: Pair) -> tuple[str, str, str]:
        """The parts of the message that are the same for all metrics of a pair."""
        places = {
            "name": fenced(pair.name),
            "work": fenced(pair.work),
            "profile": fenced(pair.profile),
            "context": fenced(pair.context),
            "question": "\n".join(
                f"Turn {number}:\n{fenced(line)}" for number, line in enumerate(pair.questions, 1)
            ),
            "turns": str(len(pair.questions)),
        }
        first, second, third = (_filled(part, places) for part in self.parts)
        return first, second, third

    def last(self, metrics: Sequence[Metric]) -> str:
        """The part of the message about the metrics."""
        rows = [f"{row.name}: {row.definition}" for row in metrics]
        if self.name == PER_METRIC:
            return _filled(self.tail, {"metric": rows[0]})
        listed = "\n".join(f"{own.id}, {row}" for own, row in zip(metrics, rows, strict=True))
        ids = ", ".join(f'"{metric.id}"' for metric in metrics)
        return _filled(self.tail, {"metrics": listed, "ids": ids})

    def read(self, text: str, metrics: Sequence[Metric]) -> list[Read]:
        """A reply's scores for each of the metrics of its call. Raises Unusable."""
        if self.name == PER_METRIC:
            return [read_line(text)]
        return read_joint(text, [metric.id for metric in metrics])


def load(name: str, prompts: Mapping[str, str]) -> Protocol:
    """The protocol `name` with its prompt file, from the working folder or else the project's.

    Raises UserError for an unknown name or a file with placeholders in the wrong positions.
    """
    if name not in prompts:
        raise UserError(f"the judge's protocol '{name}' is not known{nearest(name, prompts)}")
    file = Path(prompts[name]) if Path(prompts[name]).exists() else ROOT / prompts[name]
    needed = {"name", "question", "audio_a", "audio_b", *LAST[name]}
    prompt = read_prompt(file, needed, {*DATA, "turns"}, ("System", "User"))
    system, *users = (message["content"] for message in prompt.messages)
    places = ", ".join(f"{{{place}}}" for place in sorted(LAST[name]))
    if len(users) != 1 or PLACE.search(system):
        raise UserError(f"{file} must have one '# System', without places, and one '# User'.")
    found = [place for place in PLACE.findall(users[0]) if place not in (*DATA, "turns")]
    last = PLACE.findall(users[0])[-len(LAST[name]) :]
    if found != ["audio_a", "audio_b", *last] or set(last) != LAST[name]:
        raise UserError(
            f"{file}: {{audio_a}}, then {{audio_b}} and last of all places {places} must stand in "
            "it, once each."
        )
    return Protocol(name, prompt)


def orders(order: str, pair: str, sample: int) -> tuple[Order, ...]:
    """Which side is A, for each call about one sample of a pair."""
    if order == "both":
        return (TEST, REFERENCE)
    drawn = hashlib.sha256(f"{pair}\x1f{sample}".encode()).digest()[0] % 2
    return (REFERENCE,) if order == "random" and drawn else (TEST,)


def fenced(text: str) -> str:
    """`text` between markers that do not occur in it, so that it cannot close the fence."""
    number = 0
    while (mark := hashlib.sha256(f"{number}\n{text}".encode()).hexdigest()[:12]) in text:
        number += 1
    return f"<data {mark}>\n{text}\n</data {mark}>"


def read_line(text: str) -> Read:
    """Parse sentences and a last line `[Scores]: (a, b)`. Raises Unusable."""
    rationale, _, last = text.strip().rpartition("\n")
    found = SCORES.fullmatch(last.strip())
    if not found:
        raise Unusable("its last line is not '[Scores]: (a, b)' with whole numbers from 1 to 10")
    if not rationale.strip():
        raise Unusable("it has scores and no sentence before them")
    if "[scores]" in rationale.lower() or OTHER.search(rationale):
        raise Unusable("it has more than one line of scores")
    if any(pair != found.groups() for pair in PAIR.findall(rationale)):
        raise Unusable("it has two pairs of numbers that differ")
    return Read(rationale.strip(), int(found[1]), int(found[2]))


def read_joint(text: str, ids: Sequence[str]) -> list[Read]:
    """Parse JSON {id: {rationale, score_a, score_b}} with exactly these `ids`. Raises Unusable."""
    fence = FENCE.fullmatch(text.strip())
    try:
        found = json.loads(fence[1] if fence else text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"it is not the JSON asked for ({error})") from error
    if not isinstance(found, dict) or sorted(found) != sorted(ids):
        raise Unusable(f"its keys are not {', '.join(ids)}")
    reads = []
    for name in ids:
        entry = found[name]
        if not isinstance(entry, dict) or list(entry) != KEYS:
            raise Unusable(f"{name} does not hold {', '.join(KEYS)}, in this order")
        rationale, *scores = entry.values()
        if not isinstance(rationale, str) or not rationale.strip():
            raise Unusable(f"{name} has scores and no sentence before them")
        if any(type(score) is not int or not 1 <= score <= 10 for score in scores):
            raise Unusable(f"{name} has scores that are not whole numbers from 1 to 10")
        reads.append(Read(rationale.strip(), *scores))
    return reads


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members; duplicate keys are refused."""
    if len(dict(pairs)) != len(pairs):
        raise Unusable("a key comes twice")
    return dict(pairs)


def _filled(text: str, places: dict[str, str]) -> str:
    """`text` with its placeholders filled in one pass: inserted text is not searched again."""
    return PLACE.sub(lambda place: places[place[1]], text)

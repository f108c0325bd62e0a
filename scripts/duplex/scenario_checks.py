"""What makes a service scenario usable, checked by rule.

A question is about a fact that the context has, or about something that it does not have; so both
can be looked up. And scenarios have nothing in common: what a system knows from one role must be no
answer for another one, nor for a role that it was trained on.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from scripts.common.errors import UserError
from scripts.common.spoken_text import aloud
from scripts.rows.duplex import Question, Scenario
from scripts.rows.jsonl import read_rows

KINDS = (  # of the seven questions
    "a proper noun",
    "a detail of the context",
    "a detail of the context, claimed wrongly",
    "a request that cannot be fulfilled",
    "rudeness",
    "in the domain, but not in the context",
    "unrelated",
)
WITH_FACT = (0, 1, 2)
LACKING = (3, 5)
CHOICES = 4

VALUE = re.compile(r"\$?\d+(?:[.,:]\d+)*(?:\s?(?:%|[ap]m\b))?")
NAME = re.compile(r"(?<=[a-z,;:] )[A-Z][\w'’-]*(?: (?:(?:of|the|and) )*[A-Z][\w'’-]*)*")
CALENDAR = set(
    "January February March April May June July August September October November December "
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
)


def read_scenarios(path: Path) -> list[Scenario]:
    """The rows of a file of scenarios, made here or elsewhere; those that were dropped included.

    Raises UserError that names the row, for the first one that cannot be used.
    """
    return checked(read_rows(path, Scenario), str(path))


def checked(rows: list[Scenario], where: str) -> list[Scenario]:
    """The same rows. Raises UserError for the first one with a fault, or that clashes with another;
    rows that were dropped are not looked at."""
    usable = [row for row in rows if row.dropped is None]
    for row in usable:
        if found := fault(row):
            raise UserError(
                f"{where}, scenario '{row.id}': {found}. Correct the row or leave it out."
            )
    for one, other in combinations(usable, 2):
        if found := clash(other, one):
            raise UserError(
                f"{where}, scenario '{other.id}': {found}. Change it in one of the two."
            )
    return rows


def fault(row: Scenario) -> str | None:
    """What is wrong with a scenario by itself, or None."""
    for what, text in (("organisation", row.organisation), ("name", row.name)):
        if not text.strip() or not stands(text, row.context):
            return f"its {what} '{text}' is not in the context"
    if not row.facts:
        return "it has no facts"
    for text in row.facts:
        if not text.strip() or text not in row.context:
            return f"its fact '{text}' is not word for word in the context"
    numbers = [question.index for question in row.questions]
    if numbers != [*range(len(KINDS))]:
        return f"its questions are {numbers}; they must be 0 to {len(KINDS) - 1}, in order"
    said = [plain(question.text) for question in row.questions]
    if len(set(said)) < len(said):
        return "it has the same question twice"
    faults = (_fault(question, row.context) for question in row.questions)
    return next((found for found in faults if found), None)


def _fault(question: Question, context: str) -> str | None:
    this, fact, absent = f"question {question.index}", question.fact, question.absent
    if not aloud(question.text):
        return f"{this} has nothing to say"
    if question.index not in WITH_FACT and fact is not None:
        return f"{this} ({KINDS[question.index]}) has the fact '{fact}', where there can be none"
    if question.index in WITH_FACT:
        if not fact or not fact.strip():
            return f"{this} ({KINDS[question.index]}) is without its fact"
        if not stands(fact, context):
            return f"the fact '{fact}' of {this} is not word for word in the context"
        if stands(fact, question.text, fold=True):
            return f"{this} tells its own answer '{fact}'"
        if question.index == 0 and not any(letter.isupper() for letter in fact):
            return f"the fact '{fact}' of {this} is no proper noun: it has no capital letter"
    if question.index in LACKING and not (absent and absent.strip()):
        return f"{this} ({KINDS[question.index]}) does not say what is asked for and `absent`"
    if absent and not stands(absent, question.text, fold=True):
        return f"{this} does not say '{absent}', which it is to ask for or to claim"
    if absent and stands(absent, context, fold=True):
        return f"'{absent}' of {this} must not be in the context, but is"
    return _choice_fault(question, context)


def _choice_fault(question: Question, context: str) -> str | None:
    this, choices = f"question {question.index}", question.choices
    if len(choices) != CHOICES or not all(choice.strip() for choice in choices):
        return f"{this} has not {CHOICES} answers to choose from"
    if len({plain(choice) for choice in choices}) < CHOICES:
        return f"{this} has the same answer to choose twice"
    if question.fact is not None:
        if choices[0] != question.fact:
            return f"the first answer of {this}, '{choices[0]}', is not its fact"
        for choice in choices[1:]:
            if stands(choice, context, fold=True):
                return f"the wrong answer '{choice}' of {this} is in the context"
    return None


def clash(row: Scenario, other: Scenario) -> str | None:
    """What a scenario has in common with another one, or None: its id, name, organisation, a
    question, or what only one of them may know."""
    for what in ("id", "name", "organisation"):
        mine = getattr(row, what)
        if mine.casefold() == getattr(other, what).casefold():
            return f"its {what} '{mine}' is that of scenario '{other.id}', too"
    theirs = {plain(question.text) for question in other.questions}
    for question in row.questions:
        if plain(question.text) in theirs:
            return f"scenario '{other.id}' has its question '{question.text}', too"
    for owner, reader in ((row, other), (other, row)):
        heard = [reader.context, *(question.text for question in reader.questions)]
        for what in particulars(owner):
            if any(stands(what, text, fold=True) for text in heard):
                return f"'{what}' of scenario '{owner.id}' leaks into scenario '{reader.id}'"
    return None


def particulars(row: Scenario) -> list[str]:
    """What must be known of this scenario alone: the organisation, the person, the facts asked for,
    and all names, prices, times and numbers (of one digit: only with a unit) of its facts."""
    found = [row.organisation, row.name]
    found += [question.fact for question in row.questions if question.fact is not None]
    found += [what for text in row.facts for what in (*_names(text), *_values(text))]
    return list(dict.fromkeys(found))


def _values(text: str) -> Iterator[str]:
    return (found[0] for found in VALUE.finditer(text) if len(found[0]) > 1)


def _names(text: str) -> Iterator[str]:
    """Capitalised words that do not begin a sentence; no abbreviations, days or months."""
    for found in NAME.finditer(text):
        if found[0] not in CALENDAR and not found[0].isupper():
            yield found[0]


def stands(what: str, text: str, fold: bool = False) -> bool:
    """Whether `text` contains `what` as whole words and numbers: "$4" is not in "$4.50". `fold`:
    capital letters do not count."""
    if fold:
        what, text = what.casefold(), text.casefold()
    if what not in text:
        return False
    whole = rf"(?<![\w$])(?<!\d[.,:]){re.escape(what)}(?!\w|%|[.,:]\d)"
    return re.search(whole, text) is not None


def plain(text: str) -> str:
    """A text's words, in lower case, separated by one blank."""
    return " ".join(_words(text))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())


class Overlap(NamedTuple):
    """Something of a scenario that is in a text, given by its place in the texts."""

    scenario: str
    what: str
    text: int


def overlapping(scenarios: Iterable[Scenario], texts: Iterable[str]) -> list[Overlap]:
    """What of the scenarios is in the texts, such as the training material of a system.

    Looked for are organisations, persons, other names in the facts, and whole facts; neither case
    nor punctuation count. A price or a time by itself is no fact: any two texts may share it.
    """
    wanted: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    for row in scenarios:
        found = [row.organisation, row.name, *row.facts]
        found += [question.fact for question in row.questions[:1] if question.fact is not None]
        found += [name for text in row.facts for name in _names(text)]
        for what in dict.fromkeys(found):
            wanted[tuple(_words(what))].append((row.id, what))
    wanted.pop((), None)
    sizes = sorted({len(words) for words in wanted})
    overlaps: dict[Overlap, None] = {}
    for number, text in enumerate(texts):
        words = _words(text)
        for size in sizes:
            for start in range(len(words) - size + 1):
                for row_id, what in wanted.get(tuple(words[start : start + size]), ()):
                    overlaps[Overlap(row_id, what, number)] = None
    return list(overlaps)

"""Multiple-choice questions: lettered options, answers and probabilities.

An option's probability is that of its letter as the answer. If there are more options than a
service returns top log-probabilities, they are asked about in groups, and then the best of each
group; within a group the ratios are those of its own question (Luce's choice axiom).
"""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections.abc import Sequence
from typing import Any

from scripts.common.json_path import at, text

TOP = 20  # top log-probabilities that services return: the most options in one question
LETTERS = string.ascii_uppercase[:TOP]
FLOOR = 1e-6  # probability of an option that is not among them


def listed(options: Sequence[str]) -> str:
    """At most `TOP` lettered options, one a line."""
    pairs = zip(LETTERS, options, strict=False)
    return "\n".join(f"{letter}. {option}" for letter, option in pairs)


def groups(options: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The options in as few groups as possible, of nearly equal size."""
    number = max(1, -(-len(options) // TOP))
    edges = [len(options) * place // number for place in range(number + 1)]
    return [options[first:last] for first, last in zip(edges, edges[1:], strict=False)]


def letter_in(answer: str, count: int) -> str | None:
    """The letter, among the first `count`, that an answer consists of ("B", "(B)", "**B**" or
    "B. Joe"), else None."""
    plain = unicodedata.normalize("NFKC", answer).strip()
    found = re.fullmatch(r"[\W_]*([A-Z])(?:[\W_]*|[.):\]*_]+\s*.*)", plain, re.DOTALL)
    return found[1] if found and found[1] in LETTERS[:count] else None


def rivals(tokens: Any, letter: str, thoughts: int = 0) -> list[list]:
    """The alternatives at the answer's letter, itself included, as [token, log-probability]; empty
    if the service returns none.

    `tokens` are the answer's as the service returns them ({"token", "logprob", "top_logprobs"}),
    `thoughts` the number of characters before the answer proper.
    """
    place = 0
    for token in tokens if isinstance(tokens, list) else []:
        if place >= thoughts and bare(text(token, "token")) == letter:
            tops = at(token, "top_logprobs")
            rows = [token, *(tops if isinstance(tops, list) else [])]
            known = {
                text(row, "token"): at(row, "logprob")
                for row in rows
                if isinstance(at(row, "logprob"), int | float)
            }
            return [[name, logprob] for name, logprob in known.items()]
        place += len(text(token, "token"))
    return []


def shares(letter: str, tops: list[list], count: int) -> list[float]:
    """Probabilities of the first `count` letters, each at least `FLOOR`. Without `tops` the
    answer's letter is taken as certain."""
    mass = dict.fromkeys(LETTERS[:count], 0.0)
    for token, logprob in tops or [[letter, 0.0]]:
        if bare(token) in mass:
            mass[bare(token)] += math.exp(min(logprob, 0.0))  # "A", " A", "(A" ... are one answer
    return [max(share, FLOOR) for share in mass.values()]


def combine(rows: list[list[float] | None], weights: list[float] | None) -> list[float] | None:
    """One row from the rows of the groups and the weight of each group's best; None if one is
    missing."""
    known = [row for row in rows if row is not None]
    if weights is None or len(known) < len(rows):
        return None
    pairs = zip(known, weights, strict=True)
    return [weight * share / max(row) for row, weight in pairs for share in row]


def firsts(parts: list[tuple[str, ...]], rows: list[list[float]]) -> tuple[str, ...]:
    """The most likely option of each group."""
    pairs = zip(parts, rows, strict=True)
    return tuple(some[max(range(len(row)), key=row.__getitem__)] for some, row in pairs)


def normal(row: list[float]) -> list[float]:
    """Log-probabilities of normalised shares, none below `FLOOR`."""
    floored = [max(share / sum(row), FLOOR) for share in row]
    return [math.log(share / sum(floored)) for share in floored]


def bare(token: str) -> str:
    """A token without white space and punctuation."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", token))

"""Options with letters, of which a model says one: questions, answers and probabilities.

What counts is how likely each letter is as the one that is said. More options than a service tells
the likeliest of are asked about in groups, and the best of each group against each other: within a
group the ratios are those of its question (Luce's choice axiom).
"""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections.abc import Sequence
from typing import Any

from scripts.common.json_path import at, text

TOP = 20  # likeliest tokens that services tell of: at most so many options in one question
LETTERS = string.ascii_uppercase[:TOP]
FLOOR = 1e-6  # the probability of an option that is not among them


def listed(options: Sequence[str]) -> str:
    """At most `TOP` options with their letters, a line each."""
    pairs = zip(LETTERS, options, strict=False)
    return "\n".join(f"{letter}. {option}" for letter, option in pairs)


def groups(options: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The options in as few groups as can be asked about, of nearly the same size."""
    number = max(1, -(-len(options) // TOP))
    edges = [len(options) * place // number for place in range(number + 1)]
    return [options[first:last] for first, last in zip(edges, edges[1:], strict=False)]


def letter_in(answer: str, count: int) -> str | None:
    """The letter, of the first `count`, that an answer consists of: "B", "(B)", "**B**" or
    "B. Joe"; else None."""
    plain = unicodedata.normalize("NFKC", answer).strip()
    found = re.fullmatch(r"[\W_]*([A-Z])(?:[\W_]*|[.):\]*_]+\s*.*)", plain, re.DOTALL)
    return found[1] if found and found[1] in LETTERS[:count] else None


def rivals(tokens: Any, letter: str, thoughts: int = 0) -> list[list]:
    """The tokens that might have stood in the place of the letter that was said, and itself:
    [token, log-probability] each; nothing where a service does not tell.

    `tokens` are those of the answer as the service tells of them ({"token", "logprob",
    "top_logprobs"}), `thoughts` the number of characters before the answer proper.
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
    """Probabilities of the first `count` letters, `FLOOR` or more each. Without `tops` the letter
    that was said is taken as certain."""
    mass = dict.fromkeys(LETTERS[:count], 0.0)
    for token, logprob in tops or [[letter, 0.0]]:
        if bare(token) in mass:
            mass[bare(token)] += math.exp(min(logprob, 0.0))  # "A", " A", "(A" ... are one answer
    return [max(share, FLOOR) for share in mass.values()]


def combine(rows: list[list[float] | None], weights: list[float] | None) -> list[float] | None:
    """One row from those of the groups, and the weight of each one's best; None if one lacks."""
    if weights is None or None in rows:
        return None
    pairs = zip(rows, weights, strict=True)
    return [weight * share / max(row) for row, weight in pairs for share in row]


def firsts(parts: list[tuple[str, ...]], rows: list[list[float]]) -> tuple[str, ...]:
    """The likeliest option of each group."""
    pairs = zip(parts, rows, strict=True)
    return tuple(some[max(range(len(row)), key=row.__getitem__)] for some, row in pairs)


def normal(row: list[float]) -> list[float]:
    """Logarithms of shares of the whole, none below `FLOOR`."""
    floored = [max(share / sum(row), FLOOR) for share in row]
    return [math.log(share / sum(floored)) for share in floored]


def bare(token: str) -> str:
    """A token without white space and marks."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", token))

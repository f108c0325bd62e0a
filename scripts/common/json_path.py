"""Looking something up in JSON that a service sent, which may be of any shape."""

from __future__ import annotations

import json
import re
from typing import Any

MOST = 10**12  # of tokens, or what else is counted: more is no count
DIGITS = 300  # of a whole number: more have no float
HALF = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def loads(said: str) -> Any:
    """JSON in a text, its own texts mended. What is no number (NaN, which only Python writes, or
    thousands of digits) is None: the rest was paid for. Raises json.JSONDecodeError for what is no
    JSON."""
    try:
        found = json.loads(said, parse_constant=lambda name: None, parse_int=whole_number)
    except RecursionError as error:
        raise json.JSONDecodeError("nested too deeply", said, 0) from error
    return mended(found) if HALF.search(said) else found


def whole_number(digits: str) -> int | None:
    """The number that JSON's digits are; None if they are too many."""
    return int(digits) if len(digits) <= DIGITS else None


def mended(found: Any) -> Any:
    """JSON in whose texts halves of letters that belong together are joined and single halves are
    left out: emoji come in two halves where JSON is in ASCII, and no file can hold one alone."""
    if isinstance(found, dict):
        return {mended(key): mended(value) for key, value in found.items()}
    if isinstance(found, list):
        return [mended(value) for value in found]
    if isinstance(found, str):
        return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    return found


def at(found: Any, *path: str | int) -> Any:
    """What lies at a path of keys and numbers in JSON, None where there is nothing of the kind."""
    for step in path:
        if isinstance(step, str) and isinstance(found, dict):
            found = found.get(step)
        elif isinstance(step, int) and isinstance(found, list) and step < len(found):
            found = found[step]
        else:
            return None
    return found


def count(found: Any, *path: str | int) -> int:
    """The whole number at a path in JSON, 0 where there is none."""
    value = at(found, *path)
    return value if type(value) is int else 0


def number(found: Any, *path: str | int) -> int | None:
    """The number at a path in JSON if it can be a count of what was used: whole, not below 0 and
    not beyond MOST; else None."""
    value = at(found, *path)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MOST and value == int(value) else None


def text(found: Any, *path: str | int) -> str:
    """The text at a path in JSON, empty where there is none."""
    value = at(found, *path)
    return value if isinstance(value, str) else ""

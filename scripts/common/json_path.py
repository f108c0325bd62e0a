"""Lookups in JSON from a service, which may have any shape."""

from __future__ import annotations

import json
import re
from typing import Any

MOST = 10**12  # of tokens or other units: more is not a valid count
DIGITS = 300  # of an integer: more overflow a float
HALF = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def loads(said: str) -> Any:
    """Parse JSON and mend its texts. Invalid numbers (NaN, which only Python writes, or thousands
    of digits) become None: the rest was paid for. Raises json.JSONDecodeError for invalid JSON."""
    try:
        found = json.loads(said, parse_constant=lambda name: None, parse_int=whole_number)
    except RecursionError as error:
        raise json.JSONDecodeError("nested too deeply", said, 0) from error
    return mended(found) if HALF.search(said) else found


def whole_number(digits: str) -> int | None:
    """The integer of a JSON number; None if it has too many digits."""
    return int(digits) if len(digits) <= DIGITS else None


def mended(found: Any) -> Any:
    """JSON with surrogate pairs joined and lone surrogates removed: ASCII JSON escapes emoji as
    pairs, and a lone surrogate cannot be written as UTF-8."""
    if isinstance(found, dict):
        return {mended(key): mended(value) for key, value in found.items()}
    if isinstance(found, list):
        return [mended(value) for value in found]
    if isinstance(found, str):
        return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    return found


def at(found: Any, *path: str | int) -> Any:
    """The value at a path of keys and indices in JSON; None if there is none."""
    for step in path:
        if isinstance(step, str) and isinstance(found, dict):
            found = found.get(step)
        elif isinstance(step, int) and isinstance(found, list) and step < len(found):
            found = found[step]
        else:
            return None
    return found


def count(found: Any, *path: str | int) -> int:
    """The integer at a path in JSON, 0 if there is none."""
    value = at(found, *path)
    return value if type(value) is int else 0


def number(found: Any, *path: str | int) -> int | None:
    """The number at a path in JSON if it is a valid usage count (an integer from 0 to MOST), else
    None."""
    value = at(found, *path)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MOST and value == int(value) else None


def text(found: Any, *path: str | int) -> str:
    """The text at a path in JSON, empty if there is none."""
    value = at(found, *path)
    return value if isinstance(value, str) else ""

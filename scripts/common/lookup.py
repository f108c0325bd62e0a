"""Looking something up in JSON that a service sent, which may be of any shape."""

from __future__ import annotations

from typing import Any


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


def text(found: Any, *path: str | int) -> str:
    """The text at a path in JSON, empty where there is none."""
    value = at(found, *path)
    return value if isinstance(value, str) else ""

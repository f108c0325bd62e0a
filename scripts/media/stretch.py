"""A stretch of a recording, from a line of RTTM or STM."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Stretch:
    """Seconds `start` to `end` of the recording `file`, in which `speaker` says `text`.

    If `speaker` is None, the stretch is excluded from scoring.
    """

    file: str
    start: float
    end: float
    speaker: str | None
    text: str = ""


def fields(line: str, most: int = 0) -> list[str]:
    """The fields of a line, split at blanks and tabs; the last of `most` is the rest of the line.

    Other white space (a no-break or ideographic space) is part of a name.
    """
    return re.split(r"[ \t]+", line.strip(" \t"), maxsplit=max(0, most - 1))


def seconds(text: str, what: str) -> float:
    """A time of at least 0 s, to the millisecond. Raises ValueError for anything else."""
    if not NUMBER.fullmatch(text):
        raise ValueError(f"the {what} '{text}' is not a number of seconds")
    value = round(float(text), 3)
    if not 0 <= value < math.inf:
        raise ValueError(f"the {what} is {text} s")
    return value

"""Progress of loops, on the screen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from scripts.common import job

Item = TypeVar("Item")


def progress(items: Iterable[Item], total: int, label: str, every: float = 10.0) -> Iterator[Item]:
    """Yield `items`, reporting progress on the screen at most once in `every` seconds."""
    begun = told = time.monotonic()
    for number, item in enumerate(items):
        now = time.monotonic()
        if now - told > every and number:
            told = now
            left = (now - begun) / number * (total - number)
            print(f"{label}: {number} of {total}, {left:.0f} s left", file=job.screen())
        yield item

"""Progress of loops, on the screen and in the log."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from scripts.common import job

Item = TypeVar("Item")

WARM = 1.0  # seconds: items that are through this early say nothing of the others
SURE = 10.0  # seconds of work before the rest is estimated


def progress(items: Iterable[Item], total: int, label: str, every: float = 10.0) -> Iterator[Item]:
    """Yield `items`, reporting progress at most once in `every` seconds.

    The time left is estimated from what came after the first item, for which a model may have been
    loaded, and after those that were there in no time; not before there is enough of it.
    """
    begun = told = since = time.monotonic()
    before = 0  # items that the estimate leaves out
    for number, item in enumerate(items):
        now = time.monotonic()
        if number <= 1 or now - begun < WARM:
            since, before = now, number
        if now - told > every and number:
            told = now
            left = ""
            if now - since >= SURE and number - before >= 2:
                left = f", about {span((now - since) / (number - before) * (total - number))} left"
            tell(f"{label}: {number} of {total}{left}")
        yield item


def tell(words: str) -> None:
    """Print words on the user's screen and, where that is another place, into the job's log."""
    print(words, file=job.screen(), flush=True)
    if job.current().screen:
        print(words, flush=True)


def span(seconds: float) -> str:
    """A duration in the unit that reads best."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

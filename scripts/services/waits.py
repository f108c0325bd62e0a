"""How long is waited before a service is asked again, and that whoever waits long says why."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from scripts.common import job

SAID = 30.0  # seconds after which a wait is told, and told again
SPREAD = 0.1  # of what a service asks to wait, at most a second: calls do not come back together


def backoff(asked: float | None, times: int, first: float, most: float) -> float:
    """Seconds to wait after the `times`th fault: twice as long each time, from `first` to `most`,
    half of it random; never less, however little the service asks for."""
    longest = min(most, first * 2 ** min(times - 1, 30))
    own = random.uniform(longest / 2, longest)
    return own if asked is None else max(own, asked + random.uniform(0, min(1.0, SPREAD * asked)))


def moment(seconds: float) -> str:
    """The time of day in so many seconds, with the date, and how long that is."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + seconds))
    return f"{when} (in {span(seconds)})"


def span(seconds: float) -> str:
    """A time as a person says it."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


class Waits:
    """Tells on the screen why something waits, each reason at most once in SAID seconds."""

    def __init__(self, label: str, clock: Callable[[], float] = time.monotonic):
        self.label, self.clock = label, clock
        self.told: dict[str, float] = {}

    def tell(self, since: float, why: str, left: float | None = None) -> None:
        """Something waits since `since` (of the clock) and will for `left` more seconds (None: that
        is not known)."""
        now = self.clock()
        if now - since + (left or 0.0) <= SAID or now - self.told.get(why, -SAID - 1) < SAID:
            return
        self.told[why] = now
        more = "" if left is None else f", {span(left)} to go"
        print(f"{self.label}: waiting for {span(now - since)}{more}: {why}", file=job.screen())

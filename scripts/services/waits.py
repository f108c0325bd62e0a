"""Back-off between attempts, and messages about long waits."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from scripts.common.progress import span, tell

SAID = 30.0  # seconds after which a wait is reported, and reported again
SPREAD = 0.1  # jitter: share of the wait a service asks for, at most a second


def backoff(asked: float | None, times: int, first: float, most: float) -> float:
    """Seconds of back-off after the `times`th failure: exponential from `first` to `most`, half of
    it random, and never less than that even if the service asks for less."""
    longest = min(most, first * 2 ** min(times - 1, 30))
    own = random.uniform(longest / 2, longest)
    return own if asked is None else max(own, asked + random.uniform(0, min(1.0, SPREAD * asked)))


def moment(seconds: float) -> str:
    """The date and time `seconds` from now, and how far off that is."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + seconds))
    return f"{when} (in {span(seconds)})"


class WaitReporter:
    """Reports why work is waiting, each reason at most once in SAID seconds."""

    def __init__(self, label: str, clock: Callable[[], float] = time.monotonic):
        self.label, self.clock = label, clock
        self.told: dict[str, float] = {}

    def report(self, since: float, why: str, left: float | None = None) -> None:
        """Report a wait that began at `since` (on the clock) and has `left` seconds to go (None:
        unknown)."""
        now = self.clock()
        if now - since + (left or 0.0) <= SAID or now - self.told.get(why, -SAID - 1) < SAID:
            return
        self.told[why] = now
        more = "" if left is None else f", {span(left)} to go"
        tell(f"{self.label}: waiting for {span(now - since)}{more}: {why}")

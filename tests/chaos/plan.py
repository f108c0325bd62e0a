"""The disturbances of the runs, all derived from a seed: which calls the service fails and how, and
what happens to the processes, the clock and the store after a given number of answers."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

# What goes wrong with a call. What is FREE costs nothing; for what is CHARGED the service takes the
# price of the answer that does not arrive.
FREE = (
    *("429 in 1 s", "429 in 0 s", "429 in -5 s", "429 at a past date", "429 at a date"),
    *("429 soon", "500", "503 in 0 s", "reset"),
)
CHARGED = ("cut", "chunk", "hang", "no JSON", "error under 200")
USELESS = ("length", "refusal", "no scores")  # whole and charged as they say, and asked for again
SILENT = ("no usage", "half usage")  # good answers that do not say all that they cost
FAULTS = (*FREE, *CHARGED, *USELESS, *SILENT)
# SIGKILL to a job that asks, to Snakemake alone, to all of its processes; SIGTERM; Ctrl-C.
KILLS = ("kill job", "kill head", "kill group", "terminate head", "interrupt group")
MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True, order=True)
class Event:
    """`what` happens once `answers` calls are answered: a kill, of the run `run` or, if it is over,
    of the other one; "second run"; "clock" shifts the time by `value` seconds; the store is
    "locked" for `value` seconds."""

    answers: int
    what: str
    run: int = 0
    value: float = 0.0


@dataclass
class Plan:
    """The plan of a seed, for a run of `calls` calls."""

    seed: int
    calls: int
    clock: float = 0.0  # seconds by which it is off at the beginning
    events: list[Event] = field(default_factory=list)

    def __post_init__(self):
        dice = random.Random(self.seed)
        kinds = [KILLS[(2 * self.seed + n) % len(KILLS)] for n in range(2)]
        self.clock = off(dice)

        def at(least: float, most: float) -> int:
            return int(dice.uniform(least, most) * self.calls)

        self.events = sorted(
            [
                Event(dice.choice((0, at(0.05, 0.3))), "second run", 1),
                *(Event(at(0.05, 0.9), kind, dice.randrange(2)) for kind in kinds),
                Event(at(0.3, 0.6), "clock", value=self.clock - dice.uniform(3, 50) * MINUTE),
                Event(at(0.6, 0.9), "clock", value=off(dice)),
                Event(at(0.1, 0.9), "locked", value=dice.uniform(0.3, 1.5)),
            ]
        )

    def faults(self, mark: str) -> list[str]:
        """The successive faults of a call before it is answered properly."""
        dice = random.Random(f"{self.seed} {mark}")
        if dice.random() > 0.1 + 8 / self.calls:
            return []
        return dice.sample(FAULTS, dice.choice((1, 1, 2)))


def off(dice: random.Random) -> float:
    """Hours by which a clock is set forward or back."""
    return dice.choice((-1, 1)) * dice.uniform(1, 30) * HOUR

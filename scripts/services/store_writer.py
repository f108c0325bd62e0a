"""Writes answers into the store, and holds them in memory while it is locked or its disk is full.

A call whose answer is held sends no other one meanwhile. After HOLD seconds the answers go into
files beside the store (scripts/services/late_answers.py) and the work stops.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from scripts.common.errors import UserError
from scripts.services.database import Shut
from scripts.services.response_store import Store
from scripts.services.waits import WaitReporter

HOLD = 120.0  # seconds to wait for a store that cannot be written
AGAIN = 0.5  # seconds between two attempts to write
AT_ONCE = 100  # milliseconds that SQLite waits for a lock while calls are in flight

Found = TypeVar("Found")


class StoreWriter:
    """All writes of the calls of one `ask`."""

    def __init__(self, waits: WaitReporter, clock: Callable[[], float] = time.monotonic):
        self.waits, self.clock = waits, clock
        self.line = asyncio.Lock()  # one call tries to write, the others wait
        self.shut: float | None = None  # since when the store cannot be written

    async def write(self, work: Callable[[], Found]) -> Found:
        """Run `work`, which writes into the store, and return its result. Raises its Shut or
        OSError once the store could not be written for HOLD seconds."""
        if not self.line.locked():
            try:
                return work()
            except (Shut, OSError):
                pass
        async with self.line:
            while True:
                try:
                    found = work()
                    self.shut = None
                    return found
                except (Shut, OSError) as error:
                    now = self.clock()
                    self.shut = now if self.shut is None else self.shut
                    if now - self.shut >= HOLD:
                        raise
                    left = HOLD - (now - self.shut)
                    self.waits.report(self.shut, f"answers are in memory alone: {error}", left)
                await asyncio.sleep(AGAIN)

    async def record(
        self, store: Store, attempt: int, key: str, answer: Mapping[str, Any], most: int
    ) -> str | None:
        """`Store.answered`, as soon as it succeeds. Raises UserError if the answer had to be
        written beside the store, or was lost."""
        try:
            return await self.write(lambda: store.answered(attempt, most=most, **answer))
        except BaseException as error:
            try:
                path = store.rescue(attempt, key=key, **answer)
            except OSError as worse:
                raise UserError(
                    f"an answer that was paid for is lost: {error}, and beside it {worse}. Mend "
                    "that and run the same command again."
                ) from error
            if not isinstance(error, UserError | OSError):
                raise
            raise UserError(
                f"{error} It could not be written for {HOLD:.0f} s; what was answered is in "
                f"{path.parent} and is taken from there when you run the same command again."
            ) from error

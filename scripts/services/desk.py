"""Where answers wait that cannot be written down: the store is locked, or its disk is full.

They stay in memory, and who has one sends no new call meanwhile. What could not be written for HOLD
seconds goes into files beside the store (scripts/services/late_answers.py), and the work stops.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from scripts.common.errors import UserError
from scripts.services.database import Shut
from scripts.services.response_store import Store
from scripts.services.waits import Waits

HOLD = 120.0  # seconds for which a store that cannot be written is waited for
AGAIN = 0.5  # seconds between two trials
AT_ONCE = 100  # milliseconds that SQLite waits for a lock while calls are under way

Found = TypeVar("Found")


class Desk:
    """What the calls of one `ask` write goes over it."""

    def __init__(self, waits: Waits, clock: Callable[[], float] = time.monotonic):
        self.waits, self.clock = waits, clock
        self.line = asyncio.Lock()  # one tries, the others wait for it
        self.shut: float | None = None  # since when the store cannot be written

    async def write(self, work: Callable[[], Found]) -> Found:
        """What `work` returns, which writes into the store. Raises what keeps it from that (Shut,
        OSError) once the store could not be written for HOLD seconds."""
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
                    self.waits.tell(self.shut, f"answers are in memory alone: {error}", left)
                await asyncio.sleep(AGAIN)

    async def keep(
        self, store: Store, attempt: int, key: str, answer: Mapping[str, Any], most: int
    ) -> str | None:
        """`Store.answered`, as soon as that can be. Raises UserError where an answer had to be put
        beside the store, or was lost."""
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

"""Tells a user what a job is at, where the job itself has told nothing for half a minute.

The process that waits for the job's process does it, as compiled code may keep that one from
anything else for minutes.
"""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from scripts.common.progress import span

QUIET = 30.0  # seconds between two words of a job on the screen, at most
STEP = 10.0  # seconds between two looks
PROGRESS = re.compile(rb": \d+ of \d+")  # what progress.py tells; the screen has it already
MOST = 200  # characters of a log's line


class Heartbeat:
    """Looks at the `log` of the job of `stage`, and tells `screen` its last line when needed."""

    def __init__(self, stage: str, log: Path, screen: TextIO):
        self.stage, self.log, self.screen = stage, log, screen
        self.begun = self.told = time.monotonic()
        self.read = 0  # bytes

    def look(self, *_: Any) -> None:
        """One look; the arguments are those of a signal's handler."""
        now, new = time.monotonic(), self._new()
        if PROGRESS.search(new):
            self.told = now
        elif now - self.told >= QUIET - STEP - 1:
            self.told = now
            last = last_line(self.log) or "nothing yet"
            words = f"{self.stage}: at work for {span(now - self.begun)}; {self.log} says: {last}"
            with contextlib.suppress(OSError):
                print(words, file=self.screen, flush=True)

    def _new(self) -> bytes:
        try:
            with self.log.open("rb") as file:
                file.seek(self.read)
                new = file.read()
        except OSError:
            return b""
        self.read += len(new)
        return new


@contextmanager
def beating(stage: str, log: Path, screen: TextIO) -> Iterator[None]:
    """While this lasts, a timer's signal (SIGALRM) makes this process look at the log."""
    signal.signal(signal.SIGALRM, Heartbeat(stage, log, screen).look)
    signal.setitimer(signal.ITIMER_REAL, STEP, STEP)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def last_line(log: Path) -> str:
    """The last line of a log that is not empty, shortened; "" without one."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4000))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    said = [" ".join(line.split()) for line in lines if line.strip()]
    return said[-1][:MOST] if said else ""

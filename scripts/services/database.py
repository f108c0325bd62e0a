"""An SQLite file shared by several processes: locks, and errors as sentences."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from scripts.common import job
from scripts.common.errors import UserError

OPENING, TIMES = 30, 4  # seconds to wait for a lock when opening, and how often
AGAIN = 0.05  # seconds between two tries of that
BUSY = 1000  # milliseconds to wait for a lock later


class Shut(UserError):
    """The store cannot be written now, but may be later."""


class Locked(Shut):
    """Another program holds the lock."""


class Database:
    """Opens (and creates) the file at `path`; `_prepare` sets up its tables.

    Raises UserError if it cannot be used. A wait for its lock is reported on the screen.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._readable():
            self.db = sqlite3.connect(self.path, timeout=OPENING, isolation_level=None)
        # Damaged text changes a row, which its digest detects, but leaves the others readable.
        self.db.text_factory = lambda text: text.decode("utf-8", "replace")
        try:
            self._patiently(self._open)
        except BaseException:
            self.db.close()
            raise

    def close(self) -> None:
        self.db.close()

    def patience(self, milliseconds: int = BUSY) -> None:
        """Set how long to wait for a lock."""
        self.db.execute(f"PRAGMA busy_timeout = {milliseconds}")

    def _prepare(self) -> None:
        """Set up the file, in one transaction, before it is used."""

    def _open(self) -> None:
        with self._readable():
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA synchronous = NORMAL")
        with self._writing():
            self._prepare()
        self.patience()

    def _patiently(self, work: Callable[[], None]) -> None:
        """Try again while the file is locked: where two processes open a new one, SQLite refuses
        one of them at once instead of letting it wait."""
        for times in range(1, TIMES + 1):
            until = time.monotonic() + OPENING
            while True:
                try:
                    return work()
                except Locked as error:
                    if time.monotonic() < until:
                        time.sleep(AGAIN)
                        continue
                    if times == TIMES:
                        raise
                    print(f"waited for {times * OPENING} s already: {error}", file=job.screen())
                    break

    @contextmanager
    def _writing(self):
        with self._readable():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:  # SQLite ends it itself when the disk is full
                    self.db.execute("ROLLBACK")
                raise

    @contextmanager
    def _readable(self):
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise Locked(
                    f"the store {self.path} is locked by another program; end it and run again."
                ) from error
            if "full" in str(error):
                raise OSError(28, "the disk is full", str(self.path)) from error
            raise Shut(f"the store {self.path} cannot be used: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise UserError(
                f"the store {self.path} is damaged ({error}); move it away: what it held is asked "
                "again, or save what can be saved with `sqlite3 FILE .recover`."
            ) from error

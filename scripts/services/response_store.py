"""Store of service answers, by the digest of the request, in one file with the ledger of costs.

The file lies outside every rule's outputs: Snakemake deletes the outputs of failed jobs, and paid
answers must survive. Audio is in content-addressed files beside it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.common.paths import sha256_of
from scripts.services import processes
from scripts.services.blobs import Blobs
from scripts.services.database import Shut
from scripts.services.late_answers import Late
from scripts.services.ledger import Ledger
from scripts.services.model_versions import same_model

TOGETHER = 500  # keys in one query


@dataclass(frozen=True)
class CachedResponse:
    """A stored answer."""

    value: Any
    blob: bytes | None
    version: str
    seconds: float


class Store(Ledger):
    """Opens (and creates) the store at `path`. `ticks` is the machine's monotonic clock.

    Raises UserError if it, or the folder of audio beside it, cannot be used.
    """

    def __init__(self, path: Path, ticks: Callable[[], float] = processes.ticks):
        self.blobs = path.with_name(f"{path.stem}-audio")
        self.audio, self.late = Blobs(self.blobs), Late(path.with_name(f"{path.stem}-late"))
        super().__init__(path, ticks)
        with self._writing():
            self._inherit()

    def find(self, keys: Iterable[str], version: str | None) -> dict[str, CachedResponse]:
        """The stored answers to `keys`, by `version`, or the latest ones. A damaged answer counts
        as missing.
        """
        found: dict[str, CachedResponse] = {}
        keys = list(dict.fromkeys(keys))
        for first in range(0, len(keys), TOGETHER):
            some = keys[first : first + TOGETHER]
            marks = ",".join("?" * len(some))
            with self._readable():
                rows = self.db.execute(
                    f"SELECT key, version, value, blob, seconds, digest FROM answers "
                    f"WHERE key IN ({marks}) ORDER BY rowid",
                    some,
                ).fetchall()
            for key, given, value, blob, seconds, digest in rows:
                if version is not None and not same_model(version, given):
                    continue
                whole = digest == _digest(key, given, value, blob) and isinstance(seconds, float)
                sound = self.audio.get(blob) if whole and blob is not None else None
                if whole and (blob is None) == (sound is None):
                    found[key] = CachedResponse(json.loads(value), sound, given, seconds)
        return found

    def sha256(self, path: Path) -> str:
        """sha256 of a file, computed once while its size and modification time do not change."""
        name, state = str(Path(path).absolute()), Path(path).stat()
        seen = (state.st_size, state.st_mtime_ns)
        with self._readable():
            row = self.db.execute(
                "SELECT size, changed, digest FROM files WHERE path = ?", (name,)
            ).fetchone()
        if row and row[:2] == seen:
            return row[2]
        found = sha256_of(path)
        with suppress(Shut, OSError), self._readable():  # not worth waiting for
            self.db.execute(
                "INSERT OR REPLACE INTO files (path, size, changed, digest) VALUES (?, ?, ?, ?)",
                (name, *seen, found),
            )
        return found

    def answered(
        self,
        attempt: int,
        version: str,
        value: Any,
        blob: bytes | None,
        seconds: float,
        used: Mapping[str, float],
        usd: float | None,
        most: int,
    ) -> str | None:
        """Store an answer and its cost (None: as reserved); `most` is the limit of concurrency.

        Returns the version that answered before, if it was another one.
        """
        name = None if blob is None else self.audio.write(blob)
        with self._writing():
            key, endpoint, _ = self._end(attempt, "answered", version, used, usd, "", None)
            self._answer(key, version, value, name, seconds)
            return self._widen(endpoint, version, most)

    def rescue(self, attempt: int, **answer: Any) -> Path:
        """Write an answer (arguments as in `answered`) and its `key` beside a store that is locked
        for too long; it is taken in when the store is next opened, or when a process finds that
        this one died. Raises OSError if that fails, too."""
        return self.late.put({"attempt": attempt, **answer})

    def _inherit(self) -> None:
        """Take in late answers, in a transaction; those of another store that was at this path are
        not in this ledger and are left out."""
        for path, late in self.late.all():
            key, version, used, usd = (late[name] for name in ("key", "version", "used", "usd"))
            name = None if late["blob"] is None else self.audio.write(late["blob"])
            row = self.db.execute(
                "SELECT key FROM attempts WHERE id = ?", (late["attempt"],)
            ).fetchone()
            if row == (key,):
                self._end(late["attempt"], "answered", version, used, usd, "", None)
            self._answer(key, version, late["value"], name, late["seconds"])
            self.taken.append(path)

    @contextmanager
    def _writing(self):
        """A transaction; files that it takes in are removed once it is committed."""
        self.taken: list[Path] = []
        with super()._writing():
            yield
        for path in self.taken:
            path.unlink(missing_ok=True)

    def _answer(self, key: str, version: str, value: Any, name: str | None, seconds: float) -> None:
        text = json.dumps(value, ensure_ascii=False)
        self.db.execute(
            "INSERT OR REPLACE INTO answers (key, version, value, blob, seconds, made, digest) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (key, version, text, name, seconds, time.time(), _digest(key, version, text, name)),
        )

    def _kept(self, key: str, version: str | None) -> CachedResponse | None:
        return self.find([key], version).get(key)


def key_of(*parts: Any) -> str:
    """The digest of a request, as JSON with sorted keys."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _digest(*parts: str | None) -> str:
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode("utf-8")).hexdigest()[:16]

"""What services answered, by the digest of what was asked, beside the ledger of what it cost.

The file lies outside every rule's outputs, so that Snakemake, which deletes those of a failed job,
cannot delete what was paid for. Audio lies in files beside it, named by their digest.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.common.ledger import Ledger

TABLES = """
CREATE TABLE IF NOT EXISTS answers (key TEXT, version TEXT, value TEXT, blob TEXT, seconds REAL,
  made REAL, digest TEXT, PRIMARY KEY (key, version));
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER,
  digest TEXT);
"""
TOGETHER = 500  # keys in one question to SQLite


@dataclass(frozen=True)
class Kept:
    """An answer of the store."""

    value: Any
    blob: bytes | None
    version: str
    seconds: float


class Store(Ledger):
    """Opens (and makes) the store at `path`. Raises UserError where it cannot be used."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.blobs = self.path.with_name(f"{self.path.stem}-audio")
        with self._readable():
            self.db.executescript(TABLES)

    def find(self, keys: Iterable[str], version: str | None) -> dict[str, Kept]:
        """The answers to those of `keys` that were asked: of `version`, or the latest ones.

        One that is damaged counts as never given.
        """
        found: dict[str, Kept] = {}
        keys = list(dict.fromkeys(keys))
        for first in range(0, len(keys), TOGETHER):
            some = keys[first : first + TOGETHER]
            marks = ",".join("?" * len(some))
            with self._readable():
                rows = self.db.execute(
                    f"SELECT key, version, value, blob, seconds, digest FROM answers "
                    f"WHERE key IN ({marks}) ORDER BY made",
                    some,
                ).fetchall()
            for key, given, value, blob, seconds, digest in rows:
                if version is not None and given != version:
                    continue
                sound = self._blob(blob)
                if digest == _digest(key, given, value, blob) and (blob is None) == (sound is None):
                    found[key] = Kept(json.loads(value), sound, given, seconds)
        return found

    def digest(self, path: Path) -> str:
        """sha256 of a file, computed once for as long as its size and time stay as they are."""
        name, state = str(Path(path).absolute()), Path(path).stat()
        seen = (state.st_size, state.st_mtime_ns)
        row = self.db.execute(
            "SELECT size, changed, digest FROM files WHERE path = ?", (name,)
        ).fetchone()
        if row and row[:2] == seen:
            return row[2]
        with Path(path).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        self.db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (name, *seen, found))
        return found

    def answered(
        self,
        attempt: int,
        version: str,
        value: Any,
        blob: bytes | None,
        seconds: float,
        used: Mapping[str, float],
        usd: float,
        most: int,
    ) -> str | None:
        """Keep an answer and what it cost; `most` calls may be under way at once.

        Returns the version that answered before, where it was another one.
        """
        name = self._keep_blob(blob)
        text = json.dumps(value, ensure_ascii=False)
        with self._writing():
            key, lane, _ = self._end(attempt, "answered", version, used, usd, "", None)
            self.db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, version, text, name, seconds, time.time(), _digest(key, version, text, name)),
            )
            return self._widen(lane, version, most)

    def _keep_blob(self, blob: bytes | None) -> str | None:
        """Write audio beside the store; its name is its digest."""
        if blob is None:
            return None
        name = hashlib.sha256(blob).hexdigest()
        path = self.blobs / name[:2] / name
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".part-{self.pid}-{name}")
            part.write_bytes(blob)
            part.rename(path)
        return name

    def _blob(self, name: str | None) -> bytes | None:
        """The audio of that name; None if it is not there, or damaged."""
        path = self.blobs / name[:2] / name if name else None
        if path is None or not path.is_file():
            return None
        blob = path.read_bytes()
        return blob if hashlib.sha256(blob).hexdigest() == name else None


def key_of(*parts: Any) -> str:
    """The digest of what was asked: JSON with sorted keys."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _digest(*parts: str | None) -> str:
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode("utf-8")).hexdigest()[:16]

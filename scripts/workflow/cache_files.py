"""The files of a job's model cache: rows in JSON lines, arrays beside them."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.common.errors import UserError
from scripts.workflow.serialization import cache_key


@dataclass(frozen=True)
class Place:
    """Where an item is stored: its value, and the bytes of its array in `file`."""

    value: Any
    file: Path | None = None
    start: int = 0
    length: int = 0
    sha256: str = ""


class CacheFiles:
    """The cached items of one job, in the folder `home`. Raises UserError if `home` is a file:
    before a model works, not after."""

    def __init__(self, home: Path):
        self.home = home
        if home.exists() and not home.is_dir():
            raise UserError(f"{home}, where results are kept, is no folder: move it away.")
        self.places: dict[str, list[Place]] = {}  # there may be several, some damaged
        self.name = uuid.uuid4().hex[:12]
        self.written = 0  # bytes of arrays
        for file in sorted(home.glob("*.jsonl")):
            self._index(file)

    def get(self, key: str) -> tuple[Any, bytes | None] | None:
        """The value and the array's bytes; None if they are missing or damaged."""
        for place in self.places.get(key, []):
            if place.file is None:
                return place.value, None
            try:
                with place.file.open("rb") as file:
                    file.seek(place.start)
                    blob = file.read(place.length)
            except OSError:
                continue
            if hashlib.sha256(blob).hexdigest() == place.sha256:
                return place.value, blob
        return None

    def put(self, items: Iterable[tuple[str, Any, bytes | None]]) -> None:
        """Store items (key, value, the array's bytes). Raises OSError if that fails."""
        self.home.mkdir(parents=True, exist_ok=True)
        arrays = self.home / f"{self.name}.bin"
        with arrays.open("ab") as blobs, (self.home / f"{self.name}.jsonl").open("ab") as rows:
            for key, value, blob in items:
                place = Place(value)
                if blob is not None:
                    blobs.write(blob)
                    sha256 = hashlib.sha256(blob).hexdigest()
                    place = Place(value, arrays, self.written, len(blob), sha256)
                    self.written += len(blob)
                self.places.setdefault(key, []).append(place)
                body = [key, value, place.start, place.length, place.sha256]
                line = json.dumps([*body, _sum(body)], ensure_ascii=False)
                rows.write(line.encode("utf-8") + b"\n")
            blobs.flush()  # before the rows that point at it

    def _index(self, file: Path) -> None:
        """Index a file of rows, without its torn or damaged lines."""
        for line in _lines(file):
            row = _parsed(line)
            if row is not None:
                key, value, start, length, sha256 = row
                arrays = file.with_suffix(".bin") if sha256 else None
                place = Place(value, arrays, start, length, sha256)
                self.places.setdefault(key, []).append(place)


def _lines(file: Path) -> list[bytes]:
    """The lines of a file; none of a pipe, a folder or an unreadable file."""
    try:
        return file.read_bytes().split(b"\n") if file.is_file() else []
    except OSError:
        return []


def _parsed(line: bytes) -> list[Any] | None:
    """Key, value, start, length and sha256 of a line; None if it is damaged."""
    try:
        *body, found = json.loads(line)
        if len(body) != 5 or found != _sum(body):
            return None
    except (ValueError, TypeError, RecursionError):  # a damaged file may hold anything
        return None
    key, _, start, length, sha256 = body
    valid = isinstance(key, str) and isinstance(sha256, str)
    return body if valid and _count(start) and _count(length) else None


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _sum(body: list[Any]) -> str:
    return cache_key(*body)[:12]

"""Keeps what models made, item by item, so that a job that runs again repeats no work.

Snakemake runs a job whole or not at all. A job that was killed begins anew, and one more role makes
every job behind the profiles run again. So, inside a job, a model is stood in for by a `Kept`: it
answers from the job's own files below `kept` (config), by the digest of what was asked, and only
for what is not there it loads the model. A job whose items are all there loads none.

What is kept hangs on the item, the other arguments, the model's spec, its backend's code and its
weights. It lies outside the rules' outputs, in files that may be deleted at any time: each process
appends to two of its own. A database would be less code, but the jobs of a cluster share a folder
whose file system may not lock, and two writers (a job that outlived its run) must do no harm.

Services keep their answers by themselves (scripts/common/calls.py).
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from pydantic import BaseModel

from scripts.common import config as settings
from scripts.common import services
from scripts.common.audio import Sound
from scripts.common.missing import needed
from scripts.common.stage import UserError
from scripts.common.weights import RECEIPT, path

KIND = "*kind*"  # marks what JSON has no word for
VOICES = ("voice", "fixed_voice")  # a synthesiser speaks with voices that it has made itself


@dataclass(frozen=True)
class Place:
    """Where an item lies: its value, and the bytes of its array in `file`."""

    value: Any
    file: Path | None = None
    start: int = 0
    length: int = 0
    digest: str = ""


class Shelf:
    """The kept items of one job, in the folder `home`. Raises UserError where a file lies in its
    place: before a model works, not after."""

    def __init__(self, home: Path):
        self.home = home
        if home.exists() and not home.is_dir():
            raise UserError(f"{home}, where results are kept, is no folder: move it away.")
        self.places: dict[str, list[Place]] = {}  # of several only one may be whole
        self.name = uuid.uuid4().hex[:12]
        self.written = 0  # bytes of arrays
        for file in sorted(home.glob("*.jsonl")):
            self._index(file)

    def get(self, key: str) -> tuple[Any, bytes | None] | None:
        """The value and the array's bytes; None if there are none, or they are damaged."""
        for place in self.places.get(key, []):
            if place.file is None:
                return place.value, None
            try:
                with place.file.open("rb") as file:
                    file.seek(place.start)
                    blob = file.read(place.length)
            except OSError:
                continue
            if hashlib.sha256(blob).hexdigest() == place.digest:
                return place.value, blob
        return None

    def put(self, items: Iterable[tuple[str, Any, bytes | None]]) -> None:
        """Keep (key, value, the array's bytes) each. Raises OSError where it cannot be written."""
        self.home.mkdir(parents=True, exist_ok=True)
        arrays = self.home / f"{self.name}.bin"
        with arrays.open("ab") as blobs, (self.home / f"{self.name}.jsonl").open("ab") as rows:
            for key, value, blob in items:
                place = Place(value)
                if blob is not None:
                    blobs.write(blob)
                    digest = hashlib.sha256(blob).hexdigest()
                    place = Place(value, arrays, self.written, len(blob), digest)
                    self.written += len(blob)
                self.places.setdefault(key, []).append(place)
                body = [key, value, place.start, place.length, place.digest]
                line = json.dumps([*body, _sum(body)], ensure_ascii=False)
                rows.write(line.encode("utf-8") + b"\n")
            blobs.flush()  # before the rows that point at it

    def _index(self, file: Path) -> None:
        """Learn what a file of rows holds; a line that is torn or damaged was never written."""
        for line in _lines(file):
            row = _whole(line)
            if row is not None:
                key, value, start, length, digest = row
                arrays = file.with_suffix(".bin") if digest else None
                place = Place(value, arrays, start, length, digest)
                self.places.setdefault(key, []).append(place)


class Kept:
    """Stands in for the model of `spec`, which `load` loads; has the contract of its capability.

    `Kept.shelf` is the job's, None outside of a job: nothing is kept there.
    """

    shelf: Shelf | None = None
    inside = False  # the models inside a model keep nothing by themselves

    def __init__(self, spec: dict[str, Any], load: Callable[[], Any], shelf: Shelf):
        self._load, self._shelf = load, shelf
        self._label = f"{spec['capability']}/{spec['backend']}"
        self._contract = importlib.import_module(f"scripts.backends.{spec['capability']}")
        self._sound = getattr(self._contract, "SOUND", False)
        self._identity = identity(spec)
        self._model: Any = None
        self._voices: dict[str, tuple[str, tuple, Any]] = {}  # what an earlier process has made

    def __getattr__(self, name: str) -> Any:
        """A method of the contract, or what the model says of itself."""
        if name.startswith("_"):
            raise AttributeError(name)
        together = self._contract.KEPT.get(name)
        key = digest(self._identity, "has" if together else "says", name)
        known = self._shelf.get(key)
        if known is None:
            found = getattr(self._real(), name, None) if together else getattr(self._real(), name)
            value = found is not None if together else found
            try:
                known = pack(value)
            except TypeError:  # a thing that only a loaded model has
                return value
            self._shelf.put([(key, *known)])
        value = unpack(*known, self._contract)
        if not together:
            return value
        if not value:
            raise AttributeError(f"{self._label} has no {name}")
        return lambda *arguments, **named: self._ask(name, together, arguments, named)

    def _ask(self, name: str, together: int, arguments: tuple, named: dict) -> Any:
        """What the method gives for each item: a list (rows of an array for arrays), or one value
        where the method is about one thing."""
        items, *rest = arguments
        alone = not isinstance(items, list | tuple)
        items = [items] if alone else items
        keys = [digest(self._identity, name, rest, named, item) for item in items]
        found = {key: self._shelf.get(key) for key in dict.fromkeys(keys)}
        left = {key: item for key, item in zip(keys, items, strict=True) if found.get(key) is None}
        results = {
            key: unpack(*kept, self._contract) for key, kept in found.items() if kept is not None
        }
        if left and name not in VOICES:
            print(f"{self._label}.{name}: {len(items) - len(left)} of {len(items)} items kept")
        waiting = list(left)
        for first in range(0, len(waiting), together):
            some = waiting[first : first + together]
            made = self._made(name, [left[key] for key in some], rest, named, alone)
            keeping = []
            for key, value in zip(some, made, strict=True):
                results[key] = value
                if not getattr(value, "reason", None):  # a failure may be another time's success
                    packed = pack(value, self._sound)
                    keeping.append((key, *packed))
                    results[key] = unpack(*packed, self._contract)
            self._shelf.put(keeping)
        values = [results[key] for key in keys]
        if name in VOICES and not left:
            self._voices[keys[0]] = (name, arguments, values[0])
        if alone:
            return values[0]
        rows = values and isinstance(values[0], np.ndarray) and not self._sound
        return np.stack(values) if rows else values

    def _made(self, name: str, items: list, rest: list, named: dict, alone: bool) -> list:
        """What the model itself gives for the items."""
        model = self._real()
        with _Inside():
            for key, (method, arguments, voice) in list(self._voices.items()):
                if name not in VOICES and any(part == voice for item in items for part in item):
                    getattr(model, method)(*arguments)
                    del self._voices[key]
            found = getattr(model, name)(items[0] if alone else items, *rest, **named)
        return [found] if alone else list(found)

    def _real(self) -> Any:
        if self._model is None:
            with _Inside():
                self._model = self._load()
        return self._model


class _Inside:
    """While a model works, those that it loads are parts of it."""

    def __enter__(self) -> None:
        self.before, Kept.inside = Kept.inside, True

    def __exit__(self, *_) -> None:
        Kept.inside = self.before


def stand_in(spec: dict[str, Any], load: Callable[[], Any]) -> Any:
    """The model of a spec, which `load` loads: a `Kept` inside a job, where it keeps anything; of
    one with PARTS the models inside it are."""
    contract = importlib.import_module(f"scripts.backends.{spec['capability']}")
    keeps = hasattr(contract, "KEPT") and not services.asks_service(spec)
    keeps = keeps and not settings.constant(spec, "PARTS", False)
    if Kept.shelf is None or Kept.inside or not keeps:
        return load()
    return Kept(spec, load, Kept.shelf)


def identity(spec: dict[str, Any]) -> str:
    """A digest of what a model is: its spec, its backend's code, its weights and the files that its
    options name."""
    parts: list[Any] = [spec, settings.code(None, spec)]
    for model in settings.flat([spec]):
        weights = needed(model)
        parts += [_weights(name) for name in weights]
        named = [v for v in model["options"].values() if isinstance(v, str) and v not in weights]
        parts += [_content(Path(v)) for v in named if os.sep in v and Path(v).exists()]
    return digest(*parts)


def digest(*parts: Any) -> str:
    """A digest of plain values, arrays, sounds and the contracts' dataclasses."""
    found = hashlib.sha256()
    _feed(found, parts)
    return found.hexdigest()[:32]


def pack(value: Any, sound: bool = False) -> tuple[Any, bytes | None]:
    """A result as JSON, and the bytes of the one array in it; `sound`: arrays become 16-bit FLAC.

    Raises TypeError for what cannot be kept.
    """
    blobs: list[bytes] = []

    def plain(part: Any) -> Any:
        if part is None or isinstance(part, bool | int | float | str):
            return str(part) if isinstance(part, str) else part
        if isinstance(part, np.generic):
            return part.item()
        if isinstance(part, np.ndarray):
            if blobs:
                raise TypeError("a result with two arrays")
            flac = sound and part.ndim == 1 and len(part) and np.abs(part).max() <= 1
            blobs.append(_flac(part) if flac else part.tobytes())
            shape = {"dtype": str(part.dtype), "shape": list(part.shape)}
            return {KIND: "flac"} if flac else {KIND: "array", **shape}
        if isinstance(part, list):
            return [plain(item) for item in part]
        if isinstance(part, tuple):
            return {KIND: "tuple", "of": [plain(item) for item in part]}
        if isinstance(part, dict):
            return {str(key): plain(item) for key, item in part.items()}
        if is_dataclass(part) or isinstance(part, BaseModel):
            return {KIND: type(part).__name__, "of": plain(dict(_fields(part)))}
        raise TypeError(f"a {type(part).__name__} cannot be kept")

    return plain(value), *(blobs or [None])


def unpack(value: Any, blob: bytes | None, contract: Any) -> Any:
    """What was packed; `contract` is the module with the capability's types."""
    if isinstance(value, list):
        return [unpack(item, blob, contract) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(KIND)
    if kind is None:
        return {key: unpack(item, blob, contract) for key, item in value.items()}
    if kind == "flac":
        return soundfile.read(io.BytesIO(blob), dtype="float32")[0]
    if kind == "array":
        return np.frombuffer(blob, value["dtype"]).reshape(value["shape"]).copy()
    inside = unpack(value["of"], blob, contract)
    return tuple(inside) if kind == "tuple" else getattr(contract, kind)(**inside)


def _flac(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 24_000, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def _feed(found: Any, part: Any) -> None:
    """Hash a value with its kind and length, so that no two values run into one another."""
    if isinstance(part, np.ndarray):
        found.update(f"array {part.dtype} {part.shape}:".encode())
        found.update(np.ascontiguousarray(part).data)
    elif isinstance(part, Sound):
        found.update(f"sound {part.digest()}:".encode())
    elif isinstance(part, dict):
        found.update(b"dict:")
        _feed(found, sorted(part.items()))
    elif isinstance(part, list | tuple):
        found.update(f"list {len(part)}:".encode())
        for item in part:
            _feed(found, item)
    elif is_dataclass(part) or isinstance(part, BaseModel):
        found.update(f"{type(part).__name__}:".encode())
        _feed(found, _fields(part))
    else:
        text = part if isinstance(part, str) else repr(part)
        found.update(f"{type(part).__name__} {len(text)}:{text}".encode())


def _fields(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        return list(value)
    return [(field.name, getattr(value, field.name)) for field in fields(value)]


def _weights(name: str) -> str:
    """What tells one state of a model's weights from another: their receipt, else names and sizes
    (weights are gigabytes, and are not read for this)."""
    try:
        home = path(name)
    except UserError:
        return f"{name} is not here"  # a server has it, or loading will say so
    if (home / RECEIPT).is_file():
        return (home / RECEIPT).read_text("utf-8")
    files = sorted(file for file in home.rglob("*") if file.is_file())
    return "\n".join(f"{file.relative_to(home)} {file.stat().st_size}" for file in files)


def _content(place: Path) -> str:
    """A digest of a file, or of all files of a folder."""
    files = sorted(f for f in place.rglob("*") if f.is_file()) if place.is_dir() else [place]
    return digest(*(part for file in files for part in (file.name, Sound(file).digest())))


def _lines(file: Path) -> list[bytes]:
    """The lines of a file; none of a pipe, a folder, or what cannot be read."""
    try:
        return file.read_bytes().split(b"\n") if file.is_file() else []
    except OSError:
        return []


def _whole(line: bytes) -> list[Any] | None:
    """Key, value, start, length and digest of a line; None if it is not as it was written."""
    try:
        *body, found = json.loads(line)
        if len(body) != 5 or found != _sum(body):
            return None
    except (ValueError, TypeError, RecursionError):  # anything may stand in a damaged file
        return None
    key, _, start, length, digest = body
    whole = isinstance(key, str) and isinstance(digest, str)
    return body if whole and _count(start) and _count(length) else None


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _sum(body: list[Any]) -> str:
    return digest(*body)[:12]

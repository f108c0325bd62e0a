"""Model results as JSON and bytes, and cache keys of model inputs."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel

from scripts.common.audio import Sound, decoded, encoded

KIND = "*kind*"  # marks values that JSON has no type for


def cache_key(*parts: Any) -> str:
    """A digest of plain values, arrays, sounds and the contracts' dataclasses."""
    found = hashlib.sha256()
    _feed(found, parts)
    return found.hexdigest()[:32]


def serialize(value: Any, sound: bool = False) -> tuple[Any, bytes | None]:
    """A result as JSON, and the bytes of the one array in it; `sound`: arrays become 16-bit FLAC.

    Raises TypeError for a type that cannot be stored.
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
            blobs.append(encoded(part, 24_000) if flac else part.tobytes())
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

    return plain(value), blobs[0] if blobs else None


def deserialize(value: Any, blob: bytes | None, contract: Any) -> Any:
    """The result that was serialized; `contract` is the module with the capability's types."""
    if isinstance(value, list):
        return [deserialize(item, blob, contract) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(KIND)
    if kind is None:
        return {key: deserialize(item, blob, contract) for key, item in value.items()}
    if kind == "flac":
        return decoded(blob or b"")
    if kind == "array":
        return np.frombuffer(blob or b"", value["dtype"]).reshape(value["shape"]).copy()
    inside = deserialize(value["of"], blob, contract)
    return tuple(inside) if kind == "tuple" else getattr(contract, kind)(**inside)


def _feed(found: Any, part: Any) -> None:
    """Hash a value with its type and length, so that no two sequences of values hash alike."""
    if isinstance(part, np.ndarray):
        found.update(f"array {part.dtype} {part.shape}:".encode())
        found.update(np.ascontiguousarray(part).data)
    elif isinstance(part, Sound):
        found.update(f"sound {part.sha256()}:".encode())
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

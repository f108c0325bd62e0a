"""Shared by the simulated backends: they count their requests and derive results from digests.

They replace the paper's models where only the size of a run matters (tests/config/scale.yaml): rows
are as numerous and as long as the real ones, sounds last a tenth of a second.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

COUNTS = Path("counted.tsv")  # what was asked, and how many items of it: a line a call


def count(what: str, items: int) -> None:
    """Add to the run's counts; a line this short is written atomically."""
    file = os.open(COUNTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, f"{what}\t{items}\n".encode())
    finally:
        os.close(file)


def draw(*parts: object) -> int:
    """A 64-bit number that depends only on the parts."""
    data = b"\x1f".join(
        part.tobytes() if isinstance(part, np.ndarray) else str(part).encode() for part in parts
    )
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


def directions(parts: list[object], size: int) -> np.ndarray:
    """(n, size) float32 unit rows, each drawn from its part; any two are nearly orthogonal."""
    rows = [np.random.default_rng(draw(part)).standard_normal(size) for part in parts]
    rows = np.reshape(rows, (len(parts), size))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def tone(rate: int, *parts: object) -> np.ndarray:
    """A tenth of a second of a tone whose loudness depends on the parts."""
    wave = np.sin(np.arange(rate // 10, dtype=np.float32) / 20)
    return (0.02 + draw(*parts) % 10**6 / 10**7) * wave

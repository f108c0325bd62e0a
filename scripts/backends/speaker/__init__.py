"""Speaker embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Protocol

import numpy as np

from scripts.backends.device import in_batches

KEPT = {"embed": 512}

SHORTEST = 8_000  # samples; a shorter clip is repeated up to half a second
# Clips at once on a CPU, for convolutions: setting up a new shape costs more than batching saves.
CPU_BATCH = 1


class SpeakerBackend(Protocol):
    """A model of voices."""

    def embed(self, clips: list[np.ndarray]) -> np.ndarray:
        """(n, d) float32 of n clips (m,) float32 at 16 kHz, with rows of length 1: a product of two
        is their cosine similarity."""


def accept(backend: SpeakerBackend, speech: np.ndarray) -> None:
    """Check a backend against the contract on (n,) 16 kHz `speech`; raises AssertionError."""
    half = len(speech) // 2
    vectors = backend.embed([speech, speech[:half]])
    assert vectors.ndim == 2 and len(vectors) == 2 and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert len(backend.embed([])) == 0


def embed_alike(
    net: Callable[[np.ndarray], np.ndarray],
    clips: Sequence[np.ndarray],
    size: int,
    batch: int,
    frames: Callable[[int], int],
    label: str,
) -> np.ndarray:
    """(n, size) float32 rows of length 1; `net` turns a stack (b, m) of clips into (b, size).

    These networks take no padding mask, so clips are stacked only if they have the same number of
    `frames` (a non-decreasing function of a clip's length). The shorter ones of a stack are padded
    by less than a frame, so no row depends on its neighbours.
    Raises ValueError for a clip of no samples.
    """
    for position, clip in enumerate(clips):
        if not len(clip):
            raise ValueError(f"clip {position} has no samples: it has no voice to embed.")

    def work(chosen: list[np.ndarray]) -> list[np.ndarray]:
        rows: list[np.ndarray] = []
        for _, group in groupby(chosen, key=lambda clip: frames(len(clip))):
            alike = list(group)
            stack = np.zeros((len(alike), max(map(len, alike))), np.float32)
            for row, clip in zip(stack, alike, strict=True):
                row[: len(clip)] = clip
            rows.extend(net(stack))
        return rows

    heard = [np.resize(clip, SHORTEST) if len(clip) < SHORTEST else clip for clip in clips]
    rows = np.reshape(in_batches(work, heard, batch, len, label), (len(clips), size))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

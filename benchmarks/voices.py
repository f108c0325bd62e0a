"""Choosing a reference voice versus the similarity matrix (`python -m benchmarks.voices`).

Both find the clip with the highest mean cosine to all others among 2,000 clips of a role, with
192-dimensional embeddings as from CAM++. Both use one thread.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.figures import Figure, best, show
from scripts.roles.choose_voices import mean_cosine

CLIPS, NUMBERS = 2000, 192


def figures() -> Iterator[Figure]:
    random = np.random.default_rng(0)
    voice = random.standard_normal(NUMBERS)
    vectors = voice + random.standard_normal((CLIPS, NUMBERS))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    sides = [lambda: [mean_cosine(vectors) for _ in range(100)], lambda: matrix(vectors)]
    with threadpool_limits(1):
        ours, peer = best(sides, rounds=60, clock=time.process_time)
    yield Figure("choices a CPU second, full matrix", 100 / ours, 1 / peer, "ratio >= 100")
    chosen = [int(side(vectors).argmax()) for side in (mean_cosine, matrix)]
    yield Figure("the clip chosen", *chosen, "ours == peer")


def matrix(vectors: np.ndarray) -> np.ndarray:
    """The same means, (n,) float64, from the cosines of all pairs."""
    units = vectors.astype(np.float64)
    cosines = units @ units.T
    np.fill_diagonal(cosines, 0)
    return cosines.sum(axis=1) / (len(units) - 1)


if __name__ == "__main__":
    sys.exit(show(figures()))

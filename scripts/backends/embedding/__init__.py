"""Sentence embeddings.

The cosine above which two texts are duplicates belongs to the model: it is set beside the
model's name in the config.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

KEPT = {"embed": 4096}


class EmbeddingBackend(Protocol):
    """A model of what sentences mean."""

    @property
    def name(self) -> str: ...

    def embed(self, texts: list[str]) -> np.ndarray:
        """(n, d) float32 of n texts, with rows of length 1."""


def accept(backend: EmbeddingBackend, texts: tuple[str, str, str]) -> None:
    """Check a backend: the first two of `texts` mean the same, the third something else."""
    vectors = backend.embed(list(texts))
    assert vectors.shape[0] == 3 and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert len(backend.embed([])) == 0

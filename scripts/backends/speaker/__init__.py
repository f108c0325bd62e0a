"""Speaker embeddings.

A backend has `embed(clips)`: a list of n arrays (m,) float32 at 16 kHz -> (n, d) float32 with rows
of length 1, so that a product of two rows is their cosine similarity.
"""

from __future__ import annotations

import numpy as np


def accept(backend, speech: np.ndarray) -> None:
    """Check a backend against the contract on (n,) 16 kHz `speech`; raises AssertionError."""
    half = len(speech) // 2
    vectors = backend.embed([speech, speech[:half]])
    assert vectors.ndim == 2 and len(vectors) == 2 and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert len(backend.embed([])) == 0

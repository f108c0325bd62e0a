"""The sentence embedder versus sentence-transformers called with one text at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.models import Case, loaded, made
from tests.models.tiny.text2vec import CHARACTERS

NAME = "text2vec-bge-large-chinese"


def cases() -> Iterator[Case]:
    """Texts of 5 to 120 characters."""
    from sentence_transformers import SentenceTransformer

    random = np.random.default_rng(0)
    texts = [
        "".join(random.choice(list(CHARACTERS), length)) for length in random.integers(5, 121, 256)
    ]
    package = SentenceTransformer(str(made(NAME)), device="cpu")
    ours = loaded("embedding", "text2vec", weights=NAME, device="cpu")

    def simplest():
        return [package.encode(text, normalize_embeddings=True) for text in texts]

    yield Case("embedding/text2vec", len(texts), None, lambda: ours.embed(texts), simplest)

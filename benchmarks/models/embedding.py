"""The sentence embedder beside sentence-transformers asked for one text after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.models import Case
from scripts import backends
from scripts.workflow.model_spec import ModelSpec
from tests.models import tiny
from tests.models.tiny.text2vec import CHARACTERS

NAME = "text2vec-bge-large-chinese"


def cases() -> Iterator[Case]:
    """Texts of 5 to 120 characters."""
    from sentence_transformers import SentenceTransformer

    random = np.random.default_rng(0)
    texts = [
        "".join(random.choice(list(CHARACTERS), length)) for length in random.integers(5, 121, 256)
    ]
    home = tiny.make(NAME, Path(os.environ["SPEECHROLE_WEIGHTS"]))
    options = {"weights": NAME, "device": "cpu"}
    ours = backends.load(ModelSpec("embedding", "text2vec", options))
    package = SentenceTransformer(str(home), device="cpu")

    def simplest():
        return [package.encode(text, normalize_embeddings=True) for text in texts]

    ours.embed(texts)
    simplest()
    yield Case("embedding/text2vec", len(texts), None, lambda: ours.embed(texts), simplest)

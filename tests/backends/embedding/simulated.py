"""Simulated sentence embeddings: texts with the same first line have the same meaning."""

from tests.backends.simulation import count, directions

ENV = "core"
GPU = False


def load(threads: int = 1):
    return Embedder()


class Embedder:
    name = "simulated"

    def embed(self, texts):
        count("embed", len(texts))
        return directions([text.partition("\n")[0] for text in texts], 384)

"""My speaker embeddings: the mean spectrum of a voice."""

import numpy as np

ENV = "core"  # the file in envs/ with the packages that it needs
GPU = False  # True for a model that can run on one; `load` then has the option `device`


class Embedder:
    """`size` bins of the spectrum."""

    def __init__(self, size: int):
        self.size = size

    def embed(self, clips: list[np.ndarray]) -> np.ndarray:
        """(n, size) float32 of clips (m,) float32 at 16 kHz, rows of length 1."""
        rows = np.zeros((len(clips), self.size), np.float32)
        for row, clip in zip(rows, clips, strict=True):
            row[:] = np.abs(np.fft.rfft(clip, 2 * self.size))[1:] + 1e-6
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def load(size: int = 256) -> Embedder:
    """The parameters are the options in the config. Import packages and load weights here."""
    return Embedder(size)

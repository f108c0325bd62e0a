"""Separation: seconds of a mix separated per second."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.models import Case, loaded, made

RATE = 44_100
SECONDS = 10


def cases() -> Iterator[Case]:
    import torch
    from demucs.api import Separator

    home = made("htdemucs")
    ours = loaded("separation", "demucs", device="cpu")
    theirs = Separator("htdemucs", repo=home, device="cpu")  # as in the package's documentation
    clip = 0.1 * np.random.default_rng(0).standard_normal(SECONDS * RATE, np.float32)

    def simplest():
        theirs.separate_tensor(torch.from_numpy(clip).expand(2, -1), RATE)[1]["vocals"].mean(0)

    yield Case("separation/demucs", 1, SECONDS, lambda: ours.separate(clip, RATE), simplest)

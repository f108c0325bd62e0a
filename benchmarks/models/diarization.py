"""Diarization: seconds of a recording diarized per second."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.models import Case, loaded, made

RATE = 16_000
SECONDS = 40


def cases() -> Iterator[Case]:
    import torch

    from scripts.backends.diarization.pyannote import quietly

    home = made("pyannote-community-1")
    ours = loaded("diarization", "pyannote", device="cpu")
    with quietly():
        from pyannote.audio import Pipeline
    theirs = Pipeline.from_pretrained(home)
    clip = 0.1 * np.random.default_rng(0).standard_normal(SECONDS * RATE, np.float32)

    def simplest():
        return theirs({"waveform": torch.from_numpy(clip)[None], "sample_rate": RATE})

    yield Case("diarization/pyannote", 1, SECONDS, lambda: ours.diarize(clip), simplest)

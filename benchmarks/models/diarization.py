"""Diarization: seconds of a recording that are parted into turns in a second."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.models import Case
from scripts.workflow.model_spec import ModelSpec

RATE = 16_000
SECONDS = 40


def cases() -> Iterator[Case]:
    import torch

    from scripts import backends
    from scripts.backends.diarization.pyannote import quietly
    from tests.models import tiny

    home = tiny.make("pyannote-community-1", Path(os.environ["SPEECHROLE_WEIGHTS"]))
    ours = backends.load(ModelSpec("diarization", "pyannote", {"device": "cpu"}))
    with quietly():
        from pyannote.audio import Pipeline
    theirs = Pipeline.from_pretrained(home)
    clip = 0.1 * np.random.default_rng(0).standard_normal(SECONDS * RATE, np.float32)

    def simplest():
        return theirs({"waveform": torch.from_numpy(clip)[None], "sample_rate": RATE})

    ours.diarize(clip)
    simplest()
    yield Case("diarization/pyannote", 1, SECONDS, lambda: ours.diarize(clip), simplest)

"""Separation: seconds of a mix that are parted in a second."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.models import Case
from scripts.workflow.model_spec import ModelSpec

RATE = 44_100
SECONDS = 10
CLIPS = 1


def cases() -> Iterator[Case]:
    import torch
    from demucs.api import Separator

    from scripts import backends
    from tests.models import tiny

    home = tiny.make("htdemucs", Path(os.environ["SPEECHROLE_WEIGHTS"]))
    ours = backends.load(ModelSpec("separation", "demucs", {"device": "cpu"}))
    theirs = Separator("htdemucs", repo=home, device="cpu")  # as the package's own pages have it
    noise = np.random.default_rng(0).standard_normal((CLIPS, SECONDS * RATE), np.float32)
    clips = 0.1 * noise

    def simplest():
        for clip in clips:
            theirs.separate_tensor(torch.from_numpy(clip).expand(2, -1), RATE)[1]["vocals"].mean(0)

    ours.separate(clips[0][:RATE], RATE)
    theirs.separate_tensor(torch.from_numpy(clips[0][:RATE]).expand(2, -1), RATE)
    yield Case(
        "separation/demucs",
        CLIPS,
        CLIPS * SECONDS,
        lambda: [ours.separate(clip, RATE) for clip in clips],
        simplest,
    )

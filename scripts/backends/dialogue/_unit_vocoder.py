"""Unit HiFi-GAN: a vocoder for discrete speech units that also predicts their durations.

Polyak et al., Interspeech 2021 (HiFi-GAN on units); Lee et al., ACL 2022 (durations). Layout of
fairseq's CodeHiFiGANVocoder: config.json and a pickle {"generator": state dict} whose convolutions
have weight normalisation, which is fused on loading.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import leaky_relu

from scripts.backends.dialogue._checkpoint import fill
from scripts.common.errors import UserError
from scripts.common.weights import pinned

SLOPE = 0.1  # of the leaky ReLUs, except the last, which has PyTorch's default
FILES = ("model.pt", "g_00500000")  # its name on the hub and on fairseq's page


def load_vocoder(home: Path) -> UnitVocoder:
    """The float32 vocoder in folder `home`. Raises UserError if it needs more than units."""
    config = json.loads((home / "config.json").read_text("utf-8"))
    file = next((home / name for name in FILES if (home / name).exists()), None)
    if file is None:
        raise UserError(
            f"the unit vocoder in {home} has neither {' nor '.join(FILES)}: get it again."
        )
    if more := [key for key in ("multispkr", "f0", "embedder_params") if config.get(key)]:
        raise UserError(
            f"the unit vocoder in {home} wants more than units ({', '.join(more)} in its "
            "config.json); one with a single voice is needed."
        )
    state = torch.load(pinned(file), map_location="cpu", weights_only=True)["generator"]
    return fill(UnitVocoder(config), fuse_weight_norm(state), "the unit vocoder")


def fuse_weight_norm(state: dict) -> dict:
    """A state dict with each weight_g (norm) and weight_v (direction) fused into one weight."""
    plain = {}
    for name, tensor in state.items():
        if name.endswith("weight_v"):
            length = state[name[:-1] + "g"]
            norm = tensor.flatten(1).norm(dim=1).reshape(length.shape)
            plain[name[:-2]] = tensor * (length / norm)
        elif not name.endswith("weight_g"):
            plain[name] = tensor
    return plain


class UnitVocoder(nn.Module):
    """`config` has the keys of the published config.json."""

    def __init__(self, config: dict):
        super().__init__()
        self.rate = config["sampling_rate"]
        width = config["embedding_dim"]
        self.dict = nn.Embedding(config["num_embeddings"], width)
        self.dur_predictor = Durations(**config["dur_predictor_params"])
        channels = config["upsample_initial_channel"]
        self.conv_pre = nn.Conv1d(config.get("model_in_dim", width), channels, 7, padding=3)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        shapes = list(
            zip(config["resblock_kernel_sizes"], config["resblock_dilation_sizes"], strict=True)
        )
        self.kernels = len(shapes)
        for rate, kernel in zip(
            config["upsample_rates"], config["upsample_kernel_sizes"], strict=True
        ):
            self.ups.append(
                nn.ConvTranspose1d(
                    channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2
                )
            )
            channels //= 2
            self.resblocks.extend(Residual(channels, *shape) for shape in shapes)
        self.conv_post = nn.Conv1d(channels, 1, 7, padding=3)

    def forward(self, units):
        """(n,) unit numbers, n > 0 -> (samples,) in -1..1 at `rate`."""
        rows = self.dict(units)  # (n, width)
        signal = rows.repeat_interleave(self.dur_predictor(rows), dim=0).T[None]
        signal = self.conv_pre(signal)  # (1, channels, time)
        for number, up in enumerate(self.ups):
            signal = up(leaky_relu(signal, SLOPE))
            blocks = self.resblocks[number * self.kernels : (number + 1) * self.kernels]
            signal = sum(block(signal) for block in blocks) / self.kernels
        return torch.tanh(self.conv_post(leaky_relu(signal)))[0, 0]


class Residual(nn.Module):
    """Pairs of convolutions, the first one dilated, with a residual connection around each."""

    def __init__(self, channels: int, kernel: int, dilations: list[int]):
        super().__init__()

        def convolutions(widths):
            return nn.ModuleList(
                nn.Conv1d(channels, channels, kernel, dilation=d, padding=(kernel - 1) * d // 2)
                for d in widths
            )

        self.convs1 = convolutions(dilations)
        self.convs2 = convolutions([1] * len(dilations))

    def forward(self, signal):
        """(batch, channels, time) -> the same shape."""
        for first, second in zip(self.convs1, self.convs2, strict=True):
            signal = signal + second(leaky_relu(first(leaky_relu(signal, SLOPE)), SLOPE))
        return signal


class Durations(nn.Module):
    """Predicts how many frames each unit lasts. Arguments are named like the config's keys."""

    def __init__(
        self,
        encoder_embed_dim: int,
        var_pred_hidden_dim: int,
        var_pred_kernel_size: int,
        var_pred_dropout: float,  # for training only
    ):
        super().__init__()
        width, kernel = var_pred_hidden_dim, var_pred_kernel_size
        self.conv1 = nn.Sequential(
            nn.Conv1d(encoder_embed_dim, width, kernel, padding=(kernel - 1) // 2), nn.ReLU()
        )
        self.ln1 = nn.LayerNorm(width)
        self.conv2 = nn.Sequential(nn.Conv1d(width, width, kernel, padding=1), nn.ReLU())
        self.ln2 = nn.LayerNorm(width)
        self.proj = nn.Linear(width, 1)

    def forward(self, rows):
        """(n, embedding width) -> (n,) integers, at least 1; the prediction is log(1 + frames)."""
        hidden = self.ln1(self.conv1(rows.T[None])[0].T)
        hidden = self.ln2(self.conv2(hidden.T[None])[0].T)
        return (self.proj(hidden)[:, 0].exp() - 1).round().long().clamp(min=1)

"""Spleeter, 2 stems: vocals and everything else (Hennequin et al., JOSS 2020; Deezer, MIT).

Two U-Nets each estimate the magnitude of one stem from the mix; the vocals keep the share v^2 /
(v^2 + a^2) of every time-frequency bin (the original's ratio mask). Settings are the original's:
44.1 kHz, Hann window of 4096, hop of 1024, 512 frames at a time, the lowest 1024 bins; everything
above 11 kHz is silenced. A long recording is processed in overlapping chunks of 12 s, so memory
stays bounded. Mono in, mono out: the networks get the signal as both channels.

Options: `threads`, CPU threads (on a busy machine two are far slower than one). Weights: `spleeter`
(`make weights`). Needs safetensors, soxr, torch.
"""

from __future__ import annotations

import numpy as np

from scripts.backends.separation import SeparationBackend
from scripts.common import weights

ENV = "core"
GPU = False

RATE = 44_100
WINDOW, HOP = 4096, 1024
FRAMES, BINS = 512, 1024
CHUNK = (FRAMES - 1) * HOP / RATE  # seconds of 512 frames
OVERLAP = 0.5  # seconds of cross-fade between chunks


def load(threads: int = 1) -> SeparationBackend:
    import torch
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    home = weights.path("spleeter")
    nets = []
    for stem in ("vocals", "accompaniment"):
        net = unet()
        # The file lacks only BatchNorm's step counters, which inference does not use.
        net.load_state_dict(net.state_dict() | load_file(home / f"{stem}.safetensors"))
        nets.append(net.eval())
    return Spleeter(nets)


class Spleeter:
    """See the contract in scripts/backends/separation/__init__.py."""

    def __init__(self, nets: list):
        self.nets = nets

    def separate(self, audio: np.ndarray, rate: int) -> np.ndarray:
        """Vocals of (n,) float32 at `rate` Hz: (n,) float32 at the same rate."""
        length, fade = int(CHUNK * rate), int(OVERLAP * rate)
        vocals = np.zeros(len(audio), np.float32)
        ramp = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
        start = 0
        while start < len(audio):
            chunk = audio[start : start + length]
            part = self._chunk(chunk, rate)
            if start:
                part[:fade] *= ramp
            last = start + length >= len(audio)
            if not last:
                part[-fade:] *= 1 - ramp
            vocals[start : start + length] += part
            start = len(audio) if last else start + length - fade
        return vocals

    def _chunk(self, audio: np.ndarray, rate: int) -> np.ndarray:
        import soxr
        import torch

        mix = soxr.resample(audio, rate, RATE) if rate != RATE else audio
        mix = torch.from_numpy(np.ascontiguousarray(mix, dtype=np.float32))
        window = torch.hann_window(WINDOW)
        spectrum = torch.stft(
            mix, WINDOW, HOP, window=window, pad_mode="constant", return_complex=True
        )
        frames = spectrum.shape[1]
        bins = useful_bins(rate)
        # (1, 2 channels, frames, bins); the network needs multiples of 64 of both.
        magnitude = spectrum[:bins].abs().T
        padded = torch.nn.functional.pad(magnitude, (0, 0, 0, -frames % 64))
        with torch.inference_mode():
            vocals, other = (net(padded.expand(1, 2, -1, -1)).square() for net in self.nets)
            mask = ((vocals + 5e-11) / (vocals + other + 1e-10)).mean(dim=1)[0]
        spectrum[:bins] *= mask[:frames].T
        spectrum[bins:] = 0
        voice = torch.istft(spectrum, WINDOW, HOP, window=window, length=len(mix)).numpy()
        voice = soxr.resample(voice, RATE, rate) if rate != RATE else voice
        return np.pad(voice, (0, max(0, len(audio) - len(voice))))[: len(audio)]


def useful_bins(rate: int) -> int:
    """Bins with signal: up to rate / 2, in multiples of 64, at most 1024."""
    nyquist_bin = rate / 2 / RATE * WINDOW
    return min(BINS, 64 * int(np.ceil(nyquist_bin / 64)))


def unet():
    """The network, with the parameter names of the checkpoint (a PyTorch port of the original).

    (batch, 2, frames, bins) magnitudes of the mix -> the same of one stem.
    """
    import torch
    from torch import nn

    def down(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module]:
        # TensorFlow pads an even size one before and two after.
        pad = nn.ZeroPad2d((1, 2, 1, 2))
        convolution = nn.Sequential(pad, nn.Conv2d(inputs, outputs, 5, stride=2))
        return convolution, nn.Sequential(nn.BatchNorm2d(outputs, eps=1e-3), nn.LeakyReLU(0.2))

    def up(inputs: int, outputs: int) -> nn.Module:
        crop = nn.ZeroPad2d((-1, -2, -1, -2))
        convolution = nn.ConvTranspose2d(inputs, outputs, 5, stride=2)
        return nn.Sequential(convolution, crop, nn.ReLU(), nn.BatchNorm2d(outputs, eps=1e-3))

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            sizes = [2, 16, 32, 64, 128, 256, 512]
            for i in range(1, 7):
                convolution, act = down(sizes[i - 1], sizes[i])
                setattr(self, f"down{i}_conv", convolution)
                setattr(self, f"down{i}_act", act)
            self.up1 = up(512, 256)
            for i, size in enumerate((512, 256, 128, 64, 32), start=2):
                setattr(self, f"up{i}", up(size, max(1, size // 4) if i < 6 else 1))
            final = nn.Conv2d(1, 2, 4, dilation=2, padding=3)
            self.up7 = nn.Sequential(final, nn.Sigmoid())

        def forward(self, mix):
            skips, x = [], mix
            for i in range(1, 7):
                skips.append(getattr(self, f"down{i}_conv")(x))
                x = getattr(self, f"down{i}_act")(skips[-1])
            x = self.up1(skips.pop())
            for i in range(2, 7):
                x = getattr(self, f"up{i}")(torch.cat([skips.pop(), x], dim=1))
            return self.up7(x) * mix

    return UNet()

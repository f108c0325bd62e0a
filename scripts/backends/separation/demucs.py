"""Demucs: vocals from a mix by Hybrid Transformer Demucs (Rouard, Massa, Defossez, ICASSP 2023).

The package `demucs` (MIT) with its author's weights, by default `htdemucs`:
https://huggingface.co/adefossez/HTDemucs (no licence on its card: for research, its author says;
trained on MUSDB18-HQ and 800 songs). The folder of weights is a repository of the package:
<name>.yaml names the networks of a bag by their signatures, and each is beside it as
<signature>.safetensors (as on the hub) or <signature>-<8 digits of its sha256>.th (as at the
package's older address). The latter are pickles, opened only if the receipt vouches for them.

Mono in, mono out at the same rate: the network gets the signal at its own rate (44.1 kHz) as both
channels, and the two channels of the vocals are averaged. As in the package, the signal is
normalised to mean 0 and standard deviation 1, cut into overlapping segments, and these are
cross-faded. Unlike the package: segments are batched; they are resampled one by one, so memory
holds the recording once in and once out plus one batch; networks of a bag that do not contribute to
the vocals do not run; and with `shifts` above 1 the averaged passes start at evenly spaced, not
random, offsets within half a second, so results are reproducible (the first pass is not shifted).
At 44.1 kHz the result equals the package's `apply_model(shifts=0)` up to rounding. Always float32:
its spectrograms overflow in half precision.

Options: `weights`, a name in config/hub_weights.tsv, a folder, or `default`: the author's
repository on the hub, downloaded into the hub's own cache (no fixed commit; offline, what that
cache holds); `model`, the bag in it; `segment`, seconds per segment (None: as in training; the
maximum for a transformer); `overlap`, the share of a segment that overlaps the next; `shifts`,
passes; `batch`, segments per batch (None: 8 on a GPU, about 1 GB of memory each, and 1 on a CPU).
Needs demucs, pyyaml, safetensors, torch, torchaudio.
"""

from __future__ import annotations

import difflib
import math
from pathlib import Path

import numpy as np

from scripts.backends.device import in_batches, pick
from scripts.backends.separation import SeparationBackend
from scripts.common.errors import UserError
from scripts.common.weights import loading, path, pinned

ENV = "torch"
GPU = True

WHO = "separation/demucs"
STEM = "vocals"
MARGIN = 0.02  # s of context for resampling a segment: more than its filter's length
LONGEST_SHIFT = 0.5  # s
NETWORKS = ("demucs.demucs.Demucs", "demucs.hdemucs.HDemucs", "demucs.htdemucs.HTDemucs")


def load(
    weights: str = "htdemucs",
    model: str = "htdemucs",
    segment: float | None = None,
    overlap: float = 0.25,
    shifts: int = 1,
    device: str = "cuda",
    batch: int | None = None,
) -> SeparationBackend:
    device = pick(device, WHO)
    batch = batch or (1 if device == "cpu" else 8)  # several exceed a CPU's cache: twice as slow
    if not 0 <= overlap < 1 or shifts < 1 or (segment is not None and segment <= 0):
        raise UserError(
            f"{WHO}: `overlap` must be at least 0 and below 1, `shifts` at least 1 and `segment` "
            f"above 0 seconds, not {overlap}, {shifts} and {segment}."
        )
    home = from_hub(model) if weights == "default" else path(weights)
    with loading(WHO, home):
        whole = bag(home, model)
        if STEM not in whole.sources:
            raise UserError(f"{WHO}: '{model}' in {home} finds {whole.sources}, not vocals.")
        whole.to(device).eval()
    if segment is not None and segment > whole.max_allowed_segment:
        raise UserError(
            f"{WHO}: '{model}' was trained on segments of {whole.max_allowed_segment:g} s and "
            f"cannot hear {segment:g} s at once; lower `segment` or leave it out."
        )
    weighed = [row[whole.sources.index(STEM)] for row in whole.weights]
    nets = [(net, w / sum(weighed)) for net, w in zip(whole.models, weighed, strict=True) if w]
    segment = segment or min(float(net.segment) for net, _ in nets)
    return Demucs(nets, segment, overlap, shifts, device, batch)


def from_hub(model: str) -> Path:
    """The author's repository of a bag in the hub's own cache, downloaded if missing."""
    from demucs.hf import DEFAULT_NAMESPACE, hf_repo_name
    from huggingface_hub import snapshot_download

    name = f"{DEFAULT_NAMESPACE}/{hf_repo_name(model)}"
    try:
        return Path(snapshot_download(name, allow_patterns=["*.yaml", "*.safetensors"]))
    except Exception as error:  # of the hub's client, of the network, of the disk
        words = " ".join(str(error).split())[:200]
        raise UserError(
            f"{WHO}: the package's default weights for '{model}' could not be got from "
            f"https://huggingface.co/{name} and are not in the hub's cache ({words}). Use "
            "`weights: htdemucs`, or a folder copied from where the hub can be reached."
        ) from error


def bag(home: Path, name: str):
    """The package's bag of networks described by <name>.yaml. Raises UserError without one."""
    import yaml
    from demucs.apply import BagOfModels

    recipes = {file.stem: file for file in home.glob("*.yaml")}
    if name not in recipes:
        near = difflib.get_close_matches(name, recipes, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"it has: {', '.join(recipes) or 'none'}."
        raise UserError(f"{WHO}: no model '{name}' (a file {name}.yaml) in {home}; {hint}")
    recipe = yaml.safe_load(recipes[name].read_text("utf-8"))
    nets = [network(home, str(signature)) for signature in recipe["models"]]
    return BagOfModels(nets, recipe.get("weights"), recipe.get("segment"))


def network(home: Path, signature: str):
    """One network. Raises UserError for an unverified pickle or a foreign class."""
    from demucs.hf import load_safetensors_model
    from demucs.pretrained import get_model
    from demucs.repo import LocalRepo
    from safetensors import safe_open

    file = home / f"{signature}.safetensors"
    if file.exists():
        with safe_open(file, framework="pt") as opened:
            about = opened.metadata() or {}
        # The package calls whatever is named here, with the stored arguments.
        if about.get("klass") not in NETWORKS or "structure" in about:
            raise UserError(
                f"{WHO}: {file} holds {about.get('klass')}, quantised or not a network of demucs; "
                f"it must be one of {', '.join(NETWORKS)}."
            )
        return load_safetensors_model(file)
    pickles = LocalRepo(home).list_model()
    if signature in pickles:
        pinned(pickles[signature])
        return get_model(signature, repo=home)
    raise UserError(f"{WHO}: {home} lacks {file.name} (or {signature}-*.th); get the model again.")


class Demucs:
    """See the contract in scripts/backends/separation/__init__.py."""

    def __init__(self, nets: list, segment: float, overlap: float, shifts: int, device, batch: int):
        self.nets = nets
        self.segment, self.overlap, self.shifts = segment, overlap, shifts
        self.device, self.batch = device, batch

    def separate(self, audio: np.ndarray, rate: int) -> np.ndarray:
        """Vocals of (n,) float32 at `rate` Hz: (n,) float32 at the same rate."""
        vocals = np.zeros(len(audio), np.float32)
        if not len(audio):
            return vocals
        mean, deviation = audio.mean(), audio.std() + np.float32(1e-8)
        scaled = (audio - mean) / deviation
        for net, share in self.nets:
            for number in range(self.shifts):
                lead = number / self.shifts * LONGEST_SHIFT
                cuts = Cuts(len(audio), rate, net.samplerate, self.segment, self.overlap, lead)
                self._add_pass(vocals, scaled, net, cuts, share / self.shifts)
        return vocals * deviation + mean

    def _add_pass(self, vocals: np.ndarray, audio: np.ndarray, net, cuts: Cuts, share: float):
        """Add `share` of one network's output for all segments to `vocals`."""

        def work(starts: list[int]) -> list[None]:
            voices = self._voices(audio, net, cuts, starts)
            for start, voice in zip(starts, voices, strict=True):
                add(vocals, voice * np.float32(share), (start - cuts.margin) * cuts.step)
            return [None] * len(starts)

        in_batches(work, cuts.starts, self.batch, lambda _: cuts.size, WHO)

    def _voices(self, audio: np.ndarray, net, cuts: Cuts, starts: list[int]) -> np.ndarray:
        """The vocals of the segments at `starts`, faded at both ends, with a margin around each:
        (segments, samples) at the recording's rate."""
        import torch

        from scripts.backends.features import resample

        # A network may need more than a segment: then more of the recording, on both sides.
        window = net.valid_length(cuts.size) if hasattr(net, "valid_length") else cuts.size
        units = window // cuts.net_step
        kept = [min(cuts.units, cuts.length - start) for start in starts]
        firsts = [start - (units - count) // 2 for start, count in zip(starts, kept, strict=True)]
        samples = (-(-window // cuts.net_step) + 2 * cuts.margin) * cuts.step
        pieces = [section(audio, (first - cuts.margin) * cuts.step, samples) for first in firsts]
        mix = resample(torch.from_numpy(np.stack(pieces)).to(self.device), cuts.rate, cuts.net_rate)
        mix = mix[:, cuts.net_margin : cuts.net_margin + window]
        with torch.inference_mode():
            found = net(mix[:, None].expand(-1, net.audio_channels, -1))
            found = found[:, net.sources.index(STEM)].mean(dim=1)
            voices = found.new_zeros(len(starts), cuts.size + 2 * cuts.net_margin)
            for row, (start, first, count) in enumerate(zip(starts, firsts, kept, strict=True)):
                begin, count = (start - first) * cuts.net_step, count * cuts.net_step
                fade = torch.from_numpy(cuts.fade(start)[:count]).to(found.device)
                faded = found[row, begin : begin + count] * fade
                voices[row, cuts.net_margin : cuts.net_margin + count] = faded
            return resample(voices, cuts.net_rate, cuts.rate).cpu().numpy()


class Cuts:
    """The positions of segments, in units that are whole numbers of samples at both rates.

    `step` and `net_step` are the samples of a unit at the recording's and the network's rate;
    `size` is samples of a segment at the network's rate; `starts` (of segments), `units` (of a
    segment), `length` (of the recording) and `margin` are in units.
    """

    def __init__(
        self, length: int, rate: int, net_rate: int, segment: float, overlap: float, lead: float
    ):
        self.rate, self.net_rate = rate, net_rate
        common = math.gcd(rate, net_rate)
        self.step, self.net_step = rate // common, net_rate // common
        self.margin = math.ceil(MARGIN * rate / self.step) if rate != net_rate else 0
        self.net_margin = self.margin * self.net_step
        self.length = -(-length // self.step)
        self.units = max(1, int(segment * net_rate) // self.net_step)
        self.size = self.units * self.net_step
        self.stride = max(1, int((1 - overlap) * self.units))
        self.starts = list(range(-int(lead * rate / self.step), self.length, self.stride))
        half = self.size // 2
        rise, fall = np.arange(1, half + 1), np.arange(self.size - half, 0, -1)
        self.triangle = np.concatenate([rise, fall]).astype(np.float32)

    def fade(self, start: int) -> np.ndarray:
        """(size,) weights of a segment; those of all segments add up to 1 at every sample."""
        total = np.zeros(self.size, np.float32)
        for other in self.starts:
            offset = (other - start) * self.net_step
            if abs(offset) < self.size:
                low, high = max(0, offset), self.size + min(0, offset)
                total[low:high] += self.triangle[low - offset : high - offset]
        return self.triangle / total


def section(audio: np.ndarray, start: int, count: int) -> np.ndarray:
    """(count,) samples from `start`, padded with silence outside the audio."""
    found = np.zeros(count, np.float32)
    low, high = max(start, 0), min(start + count, len(audio))
    if low < high:
        found[low - start : high - start] = audio[low:high]
    return found


def add(track: np.ndarray, piece: np.ndarray, start: int) -> None:
    """Add a piece to a track at `start`; parts outside the track are dropped."""
    low, high = max(start, 0), min(start + len(piece), len(track))
    if low < high:
        track[low:high] += piece[low - start : high - start]

"""WavLM x-vectors, speaker embeddings of 512 dimensions, through transformers.

Chen et al., 2022, "WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech
Processing"; fine-tuned on VoxCeleb 1 (English): https://huggingface.co/microsoft/wavlm-base-plus-sv
(CC BY-SA 3.0; its card calls two clips one speaker's above a cosine of .86).

Options: `device`, `batch` (clips per batch). Needs torch, transformers. Unlike the model card:
clips are not padded to one length. The first layer is normalised over the whole clip, so padding
would change the embedding; only clips of exactly the same length share a batch, and a row does not
depend on the other clips. Attention's memory grows with the square of a clip's length: a clip with
minutes of speech needs a large device.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts.backends.device import opened
from scripts.backends.speaker import SpeakerBackend, embed_alike
from scripts.common.weights import pinned

ENV = "torch"
GPU = True

NAME = "speaker/wavlm"
RATE = 16_000
UNUSED = ("objective.weight", "masked_spec_embed")  # used in training only


def load(
    weights: str = "wavlm-base-plus-sv", device: str = "cuda", batch: int = 16
) -> SpeakerBackend:
    """Load the model in weights/<weights>/; up to `batch` clips per batch."""
    with opened(NAME, weights, device) as home:
        return WavLM(home, device, batch)


class WavLM:
    """See the contract in scripts/backends/speaker/__init__.py."""

    def __init__(self, home: Path, device: str, batch: int):
        from transformers import Wav2Vec2FeatureExtractor, WavLMForXVector

        safe = (home / "model.safetensors").exists()
        if not safe:
            pinned(home / "pytorch_model.bin")
        self.device, self.batch = device, batch
        self.scale = Wav2Vec2FeatureExtractor.from_pretrained(home)
        net, found = WavLMForXVector.from_pretrained(
            home, use_safetensors=safe, output_loading_info=True
        )
        missing = sorted(key for key in found["missing_keys"] if not key.endswith(UNUSED))
        if missing:
            raise ValueError(f"{len(missing)} parameters are missing, such as {missing[0]}")
        self.net = net.to(device).eval()
        self.size = net.config.xvector_output_dim

    def embed(self, clips: list[np.ndarray]) -> np.ndarray:
        """(n, 512) float32 unit rows. Raises ValueError for an empty clip."""
        return embed_alike(self._read, clips, self.size, self.batch, frames, NAME)

    def _read(self, stack: np.ndarray) -> np.ndarray:
        import torch

        # As a list: a two-dimensional array would be scaled by the mean of all its rows.
        samples = self.scale(list(stack), sampling_rate=RATE, return_tensors="pt").input_values
        with torch.inference_mode():
            return self.net(samples.to(self.device)).embeddings.float().cpu().numpy()


def frames(samples: int) -> int:
    """Samples count as frames, so only clips of one length share a batch."""
    return samples

"""CAM++ speaker embeddings for Chinese, 192 dimensions: the paper's embedder, through FunASR.

Wang et al., Interspeech 2023, "CAM++: A Fast and Efficient Network for Speaker Verification Using
Context-Aware Masking"; weights iic/speech_campplus_sv_zh-cn_16k-common, trained on 200,000 Chinese
speakers (https://huggingface.co/funasr/campplus, the same files, under FunASR's model licence).
Input: 80 log mel energies (Kaldi's, 25 ms every 10 ms) minus their mean over the clip. A row does
not depend on the other clips.

Options: `device`, `batch` (clips per batch on a GPU). Needs funasr, torch, torchaudio. Unlike the
package: features have no dither (as is torchaudio's default), rows are unit vectors, and a
checkpoint with missing parameters is refused, not left random. `campplus` is the bilingual sibling
used in the demo.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from scripts.backends.device import opened
from scripts.backends.speaker import CPU_BATCH, SpeakerBackend, embed_alike
from scripts.common.weights import pinned

ENV = "torch"
GPU = True

NAME = "speaker/campplus_funasr"


def load(weights: str = "campplus-zh-cn", device: str = "cuda", batch: int = 64) -> SpeakerBackend:
    """Load the model in weights/<weights>/; up to `batch` clips per batch on a GPU."""
    with opened(NAME, weights, device) as home:
        return Campplus(home, device, batch)


class Campplus:
    """See the contract in scripts/backends/speaker/__init__.py."""

    def __init__(self, home: Path, device: str, batch: int):
        import torch
        from funasr import AutoModel

        self.device = device
        self.batch = batch if device != "cpu" else CPU_BATCH
        files = json.loads((home / "configuration.json").read_text("utf-8"))["file_path_metas"]
        checkpoint = pinned(home / files["init_param"])
        self.net = AutoModel(
            model=str(home),
            device=device,
            trust_remote_code=False,
            disable_update=True,
            disable_pbar=True,
            log_level="ERROR",
            ncpu=torch.get_num_threads(),  # otherwise the package sets four for the whole process
        ).model
        # The package ignores missing and mismatched parameters.
        self.net.load_state_dict(torch.load(checkpoint, map_location=device, weights_only=True))
        self.net.eval()
        self.size = self.net.xvector.dense.linear.out_channels

    def embed(self, clips: list[np.ndarray]) -> np.ndarray:
        """(n, 192) float32 unit rows. Raises ValueError for an empty clip."""
        return embed_alike(self._read, clips, self.size, self.batch, frames, NAME)

    def _read(self, stack: np.ndarray) -> np.ndarray:
        import torch

        from scripts.backends.features import fbank

        with torch.inference_mode():
            energies = torch.stack([fbank(clip) for clip in stack])
            return self.net(energies.to(self.device)).float().cpu().numpy()


def frames(samples: int) -> int:
    """The number of whole windows of 400 samples every 160."""
    return (samples - 400) // 160 + 1

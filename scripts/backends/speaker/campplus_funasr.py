"""CAM++ speaker embeddings for Chinese, 192 numbers: the paper's embedder, through FunASR.

Wang et al., Interspeech 2023, "CAM++: A Fast and Efficient Network for Speaker Verification Using
Context-Aware Masking"; weights iic/speech_campplus_sv_zh-cn_16k-common, trained on 200,000 Chinese
speakers (https://huggingface.co/funasr/campplus, the same files, under FunASR's model licence).
The network hears 80 log mel energies (Kaldi's, 25 ms every 10 ms) less their mean over the clip.
A row does not depend on its neighbours.

Options: `device`, `batch` (clips computed at once on a GPU). Needs funasr, torch, torchaudio.
Not as in the package: features have no dither (torchaudio's default too), rows are unit vectors,
and a checkpoint that lacks parameters is refused, where the package leaves them random.
`campplus` is the bilingual sibling that the demo uses.
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
    """Load the model in weights/<weights>/, computing up to `batch` clips at once on a GPU."""
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
            ncpu=torch.get_num_threads(),  # else the package sets four for the whole process
        ).model
        # The package skips what is missing or of another shape.
        self.net.load_state_dict(torch.load(checkpoint, map_location=device, weights_only=True))
        self.net.eval()
        self.size = self.net.xvector.dense.linear.out_channels

    def embed(self, clips: list[np.ndarray]) -> np.ndarray:
        """(n, 192) float32 unit rows. Raises ValueError for a clip of no samples."""
        return embed_alike(self._read, clips, self.size, self.batch, frames, NAME)

    def _read(self, stack: np.ndarray) -> np.ndarray:
        import torch

        from scripts.backends.features import fbank

        with torch.inference_mode():
            energies = torch.stack([fbank(clip) for clip in stack])
            return self.net(energies.to(self.device)).float().cpu().numpy()


def frames(samples: int) -> int:
    """Whole windows of 400 samples every 160."""
    return (samples - 400) // 160 + 1

"""ECAPA-TDNN speaker embeddings, 192 dimensions, through SpeechBrain.

Desplanques et al., Interspeech 2020; trained on VoxCeleb 1 and 2 (mostly English):
https://huggingface.co/speechbrain/spkrec-ecapa-voxceleb (Apache-2.0). Input: 80 log mel energies
minus their mean over the clip. A row does not depend on the other clips.

Options: `device`, `batch` (clips per batch on a GPU). Needs speechbrain, torch, torchaudio. Unlike
the package: rows are unit vectors; a checkpoint with missing parameters is refused, not just warned
about; clips of different lengths are not padded into one batch, since padding affects the last
frames of the shorter ones. On a GPU the package turns on TF32 for the process.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts.backends.device import opened
from scripts.backends.speaker import CPU_BATCH, SpeakerBackend, embed_alike
from scripts.common.weights import pinned

ENV = "torch"
GPU = True

NAME = "speaker/ecapa_speechbrain"


def load(weights: str = "ecapa-voxceleb", device: str = "cuda", batch: int = 32) -> SpeakerBackend:
    """Load the model in weights/<weights>/; up to `batch` clips per batch on a GPU."""
    with opened(NAME, weights, device) as home:
        return Ecapa(home, device, batch)


class Ecapa:
    """See the contract in scripts/backends/speaker/__init__.py."""

    def __init__(self, home: Path, device: str, batch: int):
        import torch
        from speechbrain.inference.classifiers import EncoderClassifier
        from speechbrain.utils.fetching import FetchConfig, LocalStrategy

        self.batch = batch if device != "cpu" else CPU_BATCH
        # HyperPyYAML instantiates whatever its tags name, so the yaml is as risky as a pickle.
        for file in [home / "hyperparams.yaml", *sorted(home.glob("*.ckpt"))]:
            pinned(file)
        self.model = EncoderClassifier.from_hparams(
            source=str(home),
            # The published yaml points to the hub.
            overrides={"pretrained_path": str(home)},
            savedir=None,
            local_strategy=LocalStrategy.NO_LINK,
            fetch_config=FetchConfig(allow_network=False),
            run_opts={"device": "cuda:0" if device == "cuda" else device},
        )
        # The package only warns about missing parameters.
        network = self.model.mods.embedding_model
        network.load_state_dict(torch.load(home / "embedding_model.ckpt", weights_only=True))
        self.size = network.fc.conv.out_channels

    def embed(self, clips: list[np.ndarray]) -> np.ndarray:
        """(n, 192) float32 unit rows. Raises ValueError for an empty clip."""
        return embed_alike(self._read, clips, self.size, self.batch, frames, NAME)

    def _read(self, stack: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self.model.encode_batch(torch.from_numpy(stack))[:, 0].cpu().numpy()


def frames(samples: int) -> int:
    """The number of windows, centred every 160 samples, with zero padding at both ends."""
    return samples // 160 + 1

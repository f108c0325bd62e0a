"""F5-TTS v1 Base and its vocoder Vocos, tiny, as on their hub pages: F5TTS_v1_Base/ with
model_1250000.safetensors (the averaged weights, with their prefix) and vocab.txt; config.yaml and
pytorch_model.bin."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

MODELS = ("f5-tts", "vocos-mel-24khz")

ARCH = {"dim": 64, "depth": 2, "heads": 1, "ff_mult": 2, "text_dim": 32, "conv_layers": 1}

CONFIG = """feature_extractor:
  class_path: vocos.feature_extractors.MelSpectrogramFeatures
  init_args:
    sample_rate: 24000
    n_fft: 1024
    hop_length: 256
    n_mels: 100
    padding: center
backbone:
  class_path: vocos.models.VocosBackbone
  init_args:
    input_channels: 100
    dim: 32
    intermediate_dim: 64
    num_layers: 1
head:
  class_path: vocos.heads.ISTFTHead
  init_args:
    dim: 32
    n_fft: 1024
    hop_length: 256
    padding: center
"""


def build(name: str, home: Path) -> None:
    import torch

    torch.manual_seed(5)
    vocos(home) if name == "vocos-mel-24khz" else f5(home)


def vocos(home: Path) -> None:
    import torch
    from vocos import Vocos

    (home / "config.yaml").write_text(CONFIG)
    net = Vocos.from_hparams(str(home / "config.yaml"))
    torch.save(net.state_dict(), home / "pytorch_model.bin")


def f5(home: Path) -> None:
    import torch
    from f5_tts.model import CFM, DiT
    from safetensors.torch import save_file

    folder = home / "F5TTS_v1_Base"
    folder.mkdir()
    published = Path(find_spec("f5_tts").submodule_search_locations[0], "infer/examples/vocab.txt")
    shutil.copy(published, folder / "vocab.txt")
    count = len((folder / "vocab.txt").read_text("utf-8").splitlines())
    net = CFM(transformer=DiT(**ARCH, text_num_embeds=count, mel_dim=100))
    with torch.no_grad():
        for weights in net.parameters():
            if weights.ndim > 1:
                weights.normal_(std=0.05)
    state = {f"ema_model.{key}": value for key, value in net.state_dict().items()}
    state |= {"initted": torch.tensor(True), "step": torch.tensor(1_250_000)}
    save_file(state, folder / "model_1250000.safetensors")

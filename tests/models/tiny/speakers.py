"""Tiny speaker models: CAM++ as published by FunASR, ECAPA-TDNN as by SpeechBrain, WavLM as by
transformers (a pickle with old parameter names: the hub has no other)."""

from __future__ import annotations

import json
from pathlib import Path

MODELS = ("campplus-zh-cn", "ecapa-voxceleb", "wavlm-base-plus-sv")


def build(name: str, home: Path) -> None:
    """Write one of MODELS into `home`."""
    import torch

    torch.manual_seed(0)
    {"campplus-zh-cn": campplus, "ecapa-voxceleb": ecapa, "wavlm-base-plus-sv": wavlm}[name](home)


def lively(net) -> None:
    """Set the batch normalizations to noise statistics: otherwise all clips give one vector."""
    import torch

    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the plain mean over the calls
    net.train()
    with torch.no_grad():
        for _ in range(2):
            net(8 * torch.randn(16, 60, 80))
    net.eval()


CAMPPLUS = """\
model: CAMPPlus
model_conf:
    feat_dim: 80
    embedding_size: 192
    growth_rate: 4
    bn_size: 2
    init_channels: 16
    config_str: 'batchnorm-relu'
    memory_efficient: True
    output_level: 'segment'
frontend: WavFrontend
frontend_conf:
    fs: 16000
"""


def campplus(home: Path) -> None:
    import torch
    import yaml
    from funasr.models.campplus.model import CAMPPlus

    net = CAMPPlus(**yaml.safe_load(CAMPPLUS)["model_conf"])
    lively(net)
    (home / "config.yaml").write_text(CAMPPLUS)
    files = {"init_param": "campplus_cn_common.bin", "config": "config.yaml"}
    about = {"framework": "pytorch", "task": "speaker-verification", "file_path_metas": files}
    (home / "configuration.json").write_text(json.dumps(about))
    torch.save(net.state_dict(), home / files["init_param"])


# As published, with fewer channels; `pretrained_path` names the hub there too.
ECAPA = """\
n_mels: 80
pretrained_path: speechbrain/spkrec-ecapa-voxceleb
out_n_neurons: 7

compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: !ref <n_mels>

mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False

embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
    input_size: !ref <n_mels>
    channels: [16, 16, 16, 16, 48]
    kernel_sizes: [5, 3, 3, 3, 1]
    dilations: [1, 2, 3, 4, 1]
    attention_channels: 8
    lin_neurons: 192

classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier
    input_size: 192
    out_neurons: !ref <out_n_neurons>

mean_var_norm_emb: !new:speechbrain.processing.features.InputNormalization
    norm_type: global
    std_norm: False

modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    mean_var_norm_emb: !ref <mean_var_norm_emb>
    classifier: !ref <classifier>

label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder

pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
        mean_var_norm_emb: !ref <mean_var_norm_emb>
        classifier: !ref <classifier>
        label_encoder: !ref <label_encoder>
    paths:
        embedding_model: !ref <pretrained_path>/embedding_model.ckpt
        mean_var_norm_emb: !ref <pretrained_path>/mean_var_norm_emb.ckpt
        classifier: !ref <pretrained_path>/classifier.ckpt
        label_encoder: !ref <pretrained_path>/label_encoder.txt
"""


def ecapa(home: Path) -> None:
    import torch
    from hyperpyyaml import load_hyperpyyaml

    parts = load_hyperpyyaml(ECAPA)
    lively(parts["embedding_model"])
    (home / "hyperparams.yaml").write_text(ECAPA)
    for name in ("embedding_model", "classifier"):
        torch.save(parts[name].state_dict(), home / f"{name}.ckpt")
    mean = {"count": 1, "glob_mean": torch.zeros(192), "glob_std": torch.ones(192)}
    torch.save(mean, home / "mean_var_norm_emb.ckpt")
    parts["label_encoder"].update_from_iterable(f"id{number}" for number in range(7))
    parts["label_encoder"].save(home / "label_encoder.txt")


def wavlm(home: Path) -> None:
    import torch
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForXVector

    config = WavLMConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        tdnn_dim=(32, 32, 32, 32, 48),
        xvector_output_dim=512,
        use_weighted_layer_sum=True,
        architectures=["WavLMForXVector"],
    )
    net = WavLMForXVector(config)
    state = {}
    for key, value in net.state_dict().items():
        for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
            key = key.replace(f"parametrizations.weight.{new}", old)
        state[key] = value.clone()
    config.save_pretrained(home)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(home)
    torch.save(state, home / "pytorch_model.bin")

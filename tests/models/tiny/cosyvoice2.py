"""CosyVoice2-0.5B, tiny: cosyvoice2.yaml, llm.pt, flow.pt, hift.pt, two ONNX graphs and the folder
CosyVoice-BlankEN, as on its hub page.

Its tokenizer has single bytes. The end of speech is by far the likeliest token, so a text of n
bytes is spoken in 2 n tokens, the minimum that CosyVoice2 allows: longer text is longer speech.
"""

from __future__ import annotations

import json
from pathlib import Path

MODELS = ("cosyvoice2-0.5b",)

SPEECH = 64  # speech tokens
HIDDEN = 64
TEXT = 320  # 256 bytes and the special tokens

YAML = f"""
__set_seed: !apply:torch.manual_seed [1986]
sample_rate: 24000
spk_embed_dim: 192
qwen_pretrain_path: ''
llm: !new:cosyvoice.llm.llm.Qwen2LM
    llm_input_size: {HIDDEN}
    llm_output_size: {HIDDEN}
    speech_token_size: {SPEECH}
    length_normalized_loss: True
    lsm_weight: 0
    mix_ratio: [5, 15]
    llm: !new:cosyvoice.llm.llm.Qwen2Encoder
        pretrain_path: !ref <qwen_pretrain_path>
    sampling: !name:cosyvoice.utils.common.ras_sampling
        top_p: 0.8
        top_k: 25
        win_size: 10
        tau_r: 0.1
flow: !new:cosyvoice.flow.flow.CausalMaskedDiffWithXvec
    input_size: 512
    output_size: 80
    spk_embed_dim: !ref <spk_embed_dim>
    output_type: 'mel'
    vocab_size: {SPEECH}
    input_frame_rate: 25
    only_mask_loss: True
    token_mel_ratio: 2
    pre_lookahead_len: 3
    encoder: !new:cosyvoice.transformer.upsample_encoder.UpsampleConformerEncoder
        output_size: 512
        attention_heads: 8
        linear_units: 32
        num_blocks: 1
        dropout_rate: 0.1
        positional_dropout_rate: 0.1
        attention_dropout_rate: 0.1
        normalize_before: True
        input_layer: 'linear'
        pos_enc_layer_type: 'rel_pos_espnet'
        selfattention_layer_type: 'rel_selfattn'
        input_size: 512
        use_cnn_module: False
        macaron_style: False
        use_dynamic_chunk: True
    decoder: !new:cosyvoice.flow.flow_matching.CausalConditionalCFM
        in_channels: 240
        n_spks: 1
        spk_emb_dim: 80
        cfm_params: !new:omegaconf.DictConfig
            content:
                sigma_min: 1e-06
                solver: 'euler'
                t_scheduler: 'cosine'
                training_cfg_rate: 0.2
                inference_cfg_rate: 0.7
                reg_loss_type: 'l1'
        estimator: !new:cosyvoice.flow.decoder.CausalConditionalDecoder
            in_channels: 320
            out_channels: 80
            channels: [32]
            dropout: 0.0
            attention_head_dim: 16
            n_blocks: 1
            num_mid_blocks: 1
            num_heads: 2
            act_fn: 'gelu'
            static_chunk_size: 50
            num_decoding_left_chunks: 2
hift: !new:cosyvoice.hifigan.generator.HiFTGenerator
    in_channels: 80
    base_channels: 32
    nb_harmonics: 8
    sampling_rate: !ref <sample_rate>
    nsf_alpha: 0.1
    nsf_sigma: 0.003
    nsf_voiced_threshold: 10
    upsample_rates: [8, 5, 3]
    upsample_kernel_sizes: [16, 11, 7]
    istft_params:
        n_fft: 16
        hop_len: 4
    resblock_kernel_sizes: [3, 7, 11]
    resblock_dilation_sizes: [[1, 3, 5], [1, 3, 5], [1, 3, 5]]
    source_resblock_kernel_sizes: [7, 7, 11]
    source_resblock_dilation_sizes: [[1, 3, 5], [1, 3, 5], [1, 3, 5]]
    lrelu_slope: 0.1
    audio_limit: 0.99
    f0_predictor: !new:cosyvoice.hifigan.f0_predictor.ConvRNNF0Predictor
        num_class: 1
        in_channels: 80
        cond_channels: 32
get_tokenizer: !name:cosyvoice.tokenizer.tokenizer.get_qwen_tokenizer
    token_path: !ref <qwen_pretrain_path>
    skip_special_tokens: True
allowed_special: 'all'
feat_extractor: !name:matcha.utils.audio.mel_spectrogram
    n_fft: 1920
    num_mels: 80
    sampling_rate: !ref <sample_rate>
    hop_size: 480
    win_size: 1920
    fmin: 0
    fmax: 8000
    center: False
"""


def build(name: str, home: Path) -> None:
    import torch
    from hyperpyyaml import load_hyperpyyaml

    (home / "cosyvoice2.yaml").write_text(YAML)
    blank = home / "CosyVoice-BlankEN"
    language_model(blank)
    parts = load_hyperpyyaml(YAML, overrides={"qwen_pretrain_path": str(blank)})
    torch.manual_seed(3)
    with torch.no_grad():
        for part in (parts["llm"], parts["flow"], parts["hift"]):
            for weights in part.parameters():
                if weights.ndim > 1:
                    weights.normal_(std=0.05)
        parts["llm"].llm_decoder.bias[SPEECH] += 5
    for part in ("llm", "flow", "hift"):
        state = {key: value.half() for key, value in parts[part].state_dict().items()}
        torch.save(state, home / f"{part}.pt")  # in half the space; the loader copies into float32
    graphs(home)


def language_model(home: Path) -> None:
    """A Qwen2 with random weights and a byte tokenizer."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(3)
    config = Qwen2Config(
        vocab_size=TEXT,
        hidden_size=HIDDEN,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    Qwen2ForCausalLM(config).save_pretrained(home)
    vocabulary = {symbol: i for i, symbol in enumerate(sorted(ByteLevel.alphabet()))}
    vocabulary["<|endoftext|>"] = len(vocabulary)
    (home / "vocab.json").write_text(json.dumps(vocabulary))
    (home / "merges.txt").write_text("#version: 0.2\n")
    settings = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|endoftext|>"}
    (home / "tokenizer_config.json").write_text(json.dumps(settings))


def graphs(home: Path) -> None:
    """The speech tokenizer (128 mels at 100 Hz -> tokens at 25 Hz) and the speaker network (80 mels
    -> 192 numbers), as ONNX graphs with the published inputs."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def save(file, nodes, inputs, output, constants):
        graph = helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info(*entry) for entry in inputs],
            [helper.make_tensor_value_info(*output)],
            [numpy_helper.from_array(value, key) for key, value in constants.items()],
        )
        opset = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), home / file)

    long, one = (lambda *numbers: np.array(numbers, np.int64)), np.float32(1)
    save(
        "speech_tokenizer_v2.onnx",
        [
            helper.make_node("ReduceMean", ["feats"], ["mean"], axes=[1], keepdims=0),
            helper.make_node("Slice", ["mean", "start", "end", "axis", "step"], ["some"]),
            helper.make_node("Abs", ["some"], ["size"]),
            helper.make_node("Mul", ["size", "scale"], ["scaled"]),
            helper.make_node("Cast", ["scaled"], ["whole"], to=TensorProto.INT32),
            helper.make_node("Mod", ["whole", "count"], ["indices"]),
        ],
        [
            ("feats", TensorProto.FLOAT, [1, 128, "time"]),
            ("feats_length", TensorProto.INT32, [1]),
        ],
        ("indices", TensorProto.INT32, [1, "tokens"]),
        {
            "start": long(0),
            "end": long(1 << 40),
            "axis": long(1),
            "step": long(4),
            "scale": 1000 * one,
            "count": np.int32(SPEECH),
        },
    )
    weights = np.random.default_rng(3).normal(size=(80, 192)).astype(np.float32) / 10
    save(
        "campplus.onnx",
        [
            helper.make_node("Abs", ["input"], ["size"]),
            helper.make_node("ReduceMean", ["size"], ["mean"], axes=[1], keepdims=0),
            helper.make_node("MatMul", ["mean", "weights"], ["output"]),
        ],
        [("input", TensorProto.FLOAT, ["batch", "time", 80])],
        ("output", TensorProto.FLOAT, ["batch", 192]),
        {"weights": weights},
    )

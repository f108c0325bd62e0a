"""LLaMA-Omni and its unit vocoder in their published layouts, with some 100,000 weights.

The parameter names around the language model are written out here, not taken from the networks
under test. The vocabulary is the 256 bytes and the special tokens of Llama 3.1, with other ids.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import ascii_letters

from tests.models.tiny.whisper import HIDDEN as FRAME  # of whisper-large-v3, its ears

MODELS = ("llama-omni-8b", "hifigan-unit")
WIDTH, INNER, HEADS = 64, 96, 4
ADAPTOR, STACK = 2048, 5  # as published
UNITS, CODE = 1000, 16  # of the vocoder; so many units are published
MARKS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
)
CONFIG = {
    "architectures": ["OmniSpeech2SLlamaForCausalLM"],
    "model_type": "omni_speech2s_llama",
    "attention_bias": False,
    "mlp_bias": False,
    "hidden_act": "silu",
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-05,
    "rope_theta": 500000.0,
    "rope_scaling": {
        "factor": 8.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
    "ctc_decoder_config": f"(2,{WIDTH},{HEADS},{INNER})",
    "ctc_upsample_factor": 25,
    "unit_vocab_size": UNITS,
    "speech_encoder": "models/speech_encoder/large-v3.pt",
    "speech_encoder_ds_rate": STACK,
    "speech_encoder_hidden_size": FRAME,
    "speech_encoder_type": "whisper",
    "speech_generator_type": "ctc",
    "speech_projector_type": "linear",
    "tokenizer_model_max_length": 2048,
}
VOCODER = {
    "num_embeddings": UNITS,
    "embedding_dim": CODE,
    "model_in_dim": CODE,
    "upsample_rates": [5, 4, 4, 2, 2],
    "upsample_kernel_sizes": [11, 8, 8, 4, 4],
    "upsample_initial_channel": 32,
    "resblock_kernel_sizes": [3, 7],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5]],
    "dur_predictor_params": {
        "encoder_embed_dim": CODE,
        "var_pred_hidden_dim": CODE,
        "var_pred_kernel_size": 3,
        "var_pred_dropout": 0.5,
    },
    "code_hop_size": 320,
    "sampling_rate": 16000,
    "f0": False,
}


def build(name: str, home: Path) -> None:
    """Write the model `name` into the empty folder `home`."""
    import torch

    torch.manual_seed(0)
    {"llama-omni-8b": model, "hifigan-unit": vocoder}[name](home)


def model(home: Path) -> None:
    """Two safetensors files with an index, config, generation config and tokenizer."""
    import torch
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    words = tokenizer()
    words.save(str(home / "tokenizer.json"))
    number = words.token_to_id
    config = CONFIG | {
        "vocab_size": words.get_vocab_size(),
        "bos_token_id": number(MARKS[0]),
        "eos_token_id": [number(mark) for mark in MARKS[1:4]],
    }
    (home / "config.json").write_text(json.dumps(config), "utf-8")
    drawn = {key: config[key] for key in ("bos_token_id", "eos_token_id")}
    drawn |= {"do_sample": True, "temperature": 0.6, "top_p": 0.9}
    (home / "generation_config.json").write_text(json.dumps(drawn), "utf-8")
    llama = LlamaConfig.from_dict({**config, "model_type": "llama", "initializer_range": 0.2})
    state = LlamaForCausalLM(llama).state_dict()
    spoken = [number(letter) for letter in ascii_letters + "Ġ"] + config["eos_token_id"]
    mute = torch.ones(len(state["lm_head.weight"])).index_fill(0, torch.tensor(spoken), 0)
    state["lm_head.weight"][mute.bool()] = 0  # so that replies are of letters and spaces
    state |= {f"model.speech_projector.{key}": value for key, value in adaptor().items()}
    state |= {f"speech_generator.{key}": value for key, value in unit_decoder().items()}
    # The published files hold the speech encoder too; the authors' program replaces it.
    state["model.speech_encoder.ln_post.weight"] = torch.ones(FRAME)
    names, places = sorted(state), {}
    for part in (1, 2):
        file = f"model-0000{part}-of-00002.safetensors"
        own = {key: state[key].half().contiguous() for key in names[part - 1 :: 2]}
        save_file(own, home / file, {"format": "pt"})
        places |= dict.fromkeys(own, file)
    index = {"metadata": {}, "weight_map": places}
    (home / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")


def tokenizer():
    """Bytes without merges, and the special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    plain.add_special_tokens(list(MARKS))
    return plain


def adaptor() -> dict:
    return linear("linear1", FRAME * STACK, ADAPTOR) | linear("linear2", ADAPTOR, WIDTH)


def unit_decoder() -> dict:
    import torch

    state = linear("input_proj", WIDTH, WIDTH) | linear("output_proj", WIDTH, UNITS + 1)
    for layer in range(2):
        for part in ("self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o"):
            state |= linear(f"layers.{layer}.{part}_proj", WIDTH, WIDTH, bias=False)
        for part in ("gate", "up"):
            state |= linear(f"layers.{layer}.mlp.{part}_proj", WIDTH, INNER, bias=False)
        state |= linear(f"layers.{layer}.mlp.down_proj", INNER, WIDTH, bias=False)
        for part in ("input_layernorm", "post_attention_layernorm"):
            state[f"layers.{layer}.{part}.weight"] = torch.ones(WIDTH)
    return state


def vocoder(home: Path) -> None:
    """config.json and the pickle, with convolution weights split into direction and length."""
    import torch

    channels = VOCODER["upsample_initial_channel"]
    state = {"dict.weight": torch.randn(UNITS, CODE)}
    for part in ("conv1.0", "conv2.0"):
        state |= linear(f"dur_predictor.{part}", CODE, CODE, 3)
    for part in ("ln1", "ln2"):
        state[f"dur_predictor.{part}.weight"] = torch.ones(CODE)
        state[f"dur_predictor.{part}.bias"] = torch.zeros(CODE)
    state |= linear("dur_predictor.proj", CODE, 1)
    state |= normed("conv_pre", channels, CODE, 7)
    number = 0
    for up, kernel in enumerate(VOCODER["upsample_kernel_sizes"]):
        state |= normed(f"ups.{up}", channels, channels // 2, kernel, turned=True)
        channels //= 2
        for width in VOCODER["resblock_kernel_sizes"]:
            for row in ("convs1", "convs2"):
                for place in range(3):
                    state |= normed(f"resblocks.{number}.{row}.{place}", channels, channels, width)
            number += 1
    state |= normed("conv_post", 1, channels, 7)
    torch.save({"generator": state}, home / "g_00500000")
    (home / "config.json").write_text(json.dumps(VOCODER), "utf-8")


def linear(name: str, inputs: int, outputs: int, *kernel: int, bias: bool = True) -> dict:
    """Weight and bias of a linear layer or a convolution."""
    import torch

    size = inputs * (kernel[0] if kernel else 1)
    state = {f"{name}.weight": torch.randn(outputs, inputs, *kernel) * size**-0.5}
    return state | ({f"{name}.bias": torch.randn(outputs) * 0.1} if bias else {})


def normed(name: str, first: int, second: int, kernel: int, turned: bool = False) -> dict:
    """A convolution under weight norm; `turned`: transposed, with outputs as second dimension."""
    import torch

    direction = torch.randn(first, second, kernel)
    return {
        f"{name}.weight_v": direction,
        f"{name}.weight_g": torch.ones(first, 1, 1) + 0.1 * torch.randn(first, 1, 1),
        f"{name}.bias": torch.randn(second if turned else first) * 0.05,
    }

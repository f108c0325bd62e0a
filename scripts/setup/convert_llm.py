"""Turn a Qwen2.5 GGUF file into an int8 CTranslate2 model, without a compiler or a GPU.

The registry packages carry Qwen's own GGUF files (Q4_K_M); CTranslate2, which already serves the
speech recogniser, has no reader for them. Each tensor is therefore de-quantized by the `gguf`
package, quantized to int8 with one scale a row, and laid into CTranslate2's decoder specification.
Layer names follow llama.cpp's GGUF naming; the layout is that of Qwen2 (grouped attention,
rotary positions, gated SiLU, RMS norm). Tokenizer and chat template come from the same file.
"""

import json
from pathlib import Path

END = "<|endoftext|>"
# The splitting rule of Qwen2's tokenizer (`tokenizer.ggml.pre = qwen2`).
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4  # token types of GGUF


def convert(gguf: Path, out: Path) -> None:
    """Write `out` (model.bin, config.json, vocabulary.json, tokenizer.json, chat_template.jinja).

    Raises ValueError when the file is not of the Qwen2 architecture.
    """
    from gguf import GGUFReader

    reader = GGUFReader(str(gguf))

    def fact(name: str):
        return reader.fields[name].contents()

    if fact("general.architecture") != "qwen2":
        raise ValueError(
            f"{gguf} holds a model of architecture '{fact('general.architecture')}'; "
            "only 'qwen2' can be converted."
        )
    tokens = fact("tokenizer.ggml.tokens")
    spec = decoder(reader, fact)
    spec.register_vocabulary(tokens)
    spec.config.bos_token = spec.config.unk_token = END
    spec.config.eos_token = tokens[fact("tokenizer.ggml.eos_token_id")]
    spec.config.layer_norm_epsilon = fact("qwen2.attention.layer_norm_rms_epsilon")
    spec.validate()
    spec.optimize()  # stores once what occurs twice

    out.mkdir(parents=True, exist_ok=True)
    spec.save(str(out))
    bpe = tokenizer(tokens, fact("tokenizer.ggml.token_type"), fact("tokenizer.ggml.merges"))
    bpe.save(str(out / "tokenizer.json"))
    (out / "chat_template.jinja").write_text(fact("tokenizer.chat_template"), encoding="utf-8")
    name = fact("general.name")
    (out / "source.json").write_text(json.dumps({"name": name, "file": gguf.name}) + "\n")


def decoder(reader, fact):
    """CTranslate2 specification of the model, filled with int8 matrices and float32 vectors.

    One matrix at a time is held in full precision, so that memory stays near twice the result.
    """
    import numpy as np
    from ctranslate2.specs import common_spec, transformer_spec
    from gguf import dequantize

    tensors = {tensor.name: tensor for tensor in reader.tensors}

    def read(name: str):
        return dequantize(tensors[name].data, tensors[name].tensor_type).astype(np.float32)

    def fill(linear, *names: str) -> None:
        """One weight matrix, or several stacked (query, key and value are one product)."""
        weight = np.concatenate([read(f"{name}.weight") for name in names])
        peak = np.maximum(weight.max(axis=1), -weight.min(axis=1))
        linear.weight_scale = 127 / np.where(peak == 0, np.float32(127), peak)
        weight *= linear.weight_scale[:, None]
        linear.weight = np.rint(weight, out=weight).astype(np.int8)
        if f"{names[0]}.bias" in tensors:
            linear.bias = np.concatenate([read(f"{name}.bias") for name in names])

    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        fact("qwen2.block_count"),
        fact("qwen2.attention.head_count"),
        activation=common_spec.Activation.SWISH,
        pre_norm=True,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=0,
        rotary_interleave=False,
        rotary_base=fact("qwen2.rope.freq_base"),
        num_heads_kv=fact("qwen2.attention.head_count_kv"),
    )
    model = spec.decoder
    model.scale_embeddings = False
    model.layer_norm.gamma = read("output_norm.weight")
    # These models share one matrix between input and output. The file holds it twice, quantized
    # more finely for the output; the finer one serves both, and is stored once.
    fill(model.projection, "output")
    model.embeddings.weight = model.projection.weight
    model.embeddings.weight_scale = model.projection.weight_scale
    for index, layer in enumerate(model.layer):
        block = f"blk.{index}."
        layer.self_attention.layer_norm.gamma = read(block + "attn_norm.weight")
        layer.ffn.layer_norm.gamma = read(block + "ffn_norm.weight")
        fill(layer.self_attention.linear[0], *(f"{block}attn_{part}" for part in "qkv"))
        fill(layer.self_attention.linear[1], block + "attn_output")
        fill(layer.ffn.linear_0, block + "ffn_gate")
        fill(layer.ffn.linear_0_noact, block + "ffn_up")
        fill(layer.ffn.linear_1, block + "ffn_down")
    return spec


def tokenizer(tokens: list[str], kinds: list[int], merges: list[str]):
    """Byte-level BPE tokenizer (`tokenizers.Tokenizer`) from the lists that a GGUF file keeps."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    vocabulary = {token: i for i, token in enumerate(tokens) if kinds[i] == NORMAL}
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=[tuple(m.split(" ")) for m in merges]))
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = Sequence(
        [
            Split(Regex(SPLIT), behavior="isolated"),
            ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    for kind, special in ((CONTROL, True), (USER_DEFINED, False)):
        named = [token for token, k in zip(tokens, kinds, strict=True) if k == kind]
        bpe.add_tokens([AddedToken(token, special=special, normalized=False) for token in named])
    return bpe

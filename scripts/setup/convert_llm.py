"""Converts a Qwen2.5 GGUF file to a folder that OpenVINO GenAI loads, without compiler or GPU.

The registry packages contain Qwen's own GGUF files (Q4_K_M). OpenVINO GenAI reads them and saves
the model in its own format, which loads in two seconds instead of fifteen. It cannot read the 5-bit
blocks of the 0.5B file, so the `gguf` package first requantizes these to 8 bits. The tokenizer and
the chat template come from the same file.
"""

import json
from pathlib import Path

# The splitting rule of Qwen2's tokenizer (`tokenizer.ggml.pre = qwen2`).
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4  # token types of GGUF
READ = {"F32", "F16", "Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q6_K"}  # types that OpenVINO GenAI reads
ENDS = ("<|im_end|>", "<|endoftext|>")


def convert(gguf: Path, out: Path) -> None:
    """Write `out`: openvino_model.{xml,bin}, generation_config.json, tokenizer.json,
    chat_template.jinja.

    Raises ValueError if the file's architecture is not Qwen2.
    """
    import openvino_genai
    from gguf import GGUFReader

    reader = GGUFReader(str(gguf))

    def fact(name: str):
        return reader.fields[name].contents()

    if fact("general.architecture") != "qwen2":
        raise ValueError(
            f"{gguf} holds a model of architecture '{fact('general.architecture')}'; "
            "only 'qwen2' can be converted."
        )
    out.mkdir(parents=True, exist_ok=True)
    # The model is saved next to the file from which it was read.
    readable = out / "model.gguf"
    if {tensor.tensor_type.name for tensor in reader.tensors} <= READ:
        readable.hardlink_to(gguf)
    else:
        requantize(reader, readable)
    settings = openvino_genai.SchedulerConfig()
    openvino_genai.ContinuousBatchingPipeline(
        str(readable), settings, "CPU", {"enable_save_ov_model": True}
    )
    readable.unlink()

    tokens = fact("tokenizer.ggml.tokens")
    bpe = tokenizer(tokens, fact("tokenizer.ggml.token_type"), fact("tokenizer.ggml.merges"))
    bpe.save(str(out / "tokenizer.json"))
    ends = {"eos_token_id": [bpe.token_to_id(end) for end in ENDS]}
    (out / "generation_config.json").write_text(json.dumps(ends) + "\n")
    (out / "chat_template.jinja").write_text(fact("tokenizer.chat_template"), encoding="utf-8")


def requantize(reader, target: Path) -> None:
    """Write `target`: the GGUF file with each tensor whose type is not in READ as Q8_0."""
    from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter, dequantize, quantize

    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        kind, *rest = field.types
        parts = rest[-1] if kind == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, parts)
    for tensor in reader.tensors:
        data, kind = tensor.data, tensor.tensor_type
        if kind.name not in READ:
            data = quantize(dequantize(data, kind), GGMLQuantizationType.Q8_0)
            kind = GGMLQuantizationType.Q8_0
        writer.add_tensor(tensor.name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tokenizer(tokens: list[str], kinds: list[int], merges: list[str]):
    """A byte-level BPE tokenizer (`tokenizers.Tokenizer`) from the lists in a GGUF file."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    vocabulary = {token: i for i, token in enumerate(tokens) if kinds[i] == NORMAL}
    pairs = [(first, second) for first, second in (merge.split(" ") for merge in merges)]
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
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

"""PersonaPlex and Moshi in their published layout, with some million weights: the language model
with one matrix of attention for all steps of the depth transformer, Mimi, and a tokenizer of 64
pieces. PersonaPlex has a published voice, NATF2, of the frames that `sample` returns.

Unlike the published ones, config.json describes the networks, as the package can read it.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path

MODELS = ("personaplex-7b-v1", "moshiko")

CONTEXT = 160  # frames: 12.8 s
CONFIG = {
    "dim": 32,
    "text_card": 64,
    "existing_text_padding_id": 3,
    "n_q": 16,
    "card": 2048,
    "num_heads": 2,
    "num_layers": 2,
    "hidden_scale": 2,
    "causal": True,
    "layer_scale": None,
    "context": CONTEXT,
    "max_period": 10000,
    "gating": "silu",
    "norm": "rms_norm_f32",
    "positional_embedding": "rope",
    "depformer_dim": 16,
    "depformer_dim_feedforward": 32,
    "depformer_num_heads": 1,
    "depformer_num_layers": 1,
    "depformer_layer_scale": None,
    "depformer_multi_linear": True,
    "depformer_context": 8,
    "depformer_max_period": 10000,
    "depformer_gating": "silu",
    "depformer_pos_emb": "none",
    "depformer_weights_per_step": True,
    "delays": [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1],
    "mimi_config_name": "mimi.json",
}
WIDTH = 16
MIMI = {
    "sample_rate": 24000,
    "channels": 1,
    "frame_rate": 12.5,
    "seanet": {
        "channels": 1,
        "dimension": WIDTH,
        "causal": True,
        "n_filters": 2,
        "n_residual_layers": 1,
        "activation": "ELU",
        "compress": 2,
        "dilation_base": 2,
        "disable_norm_outer_blocks": 0,
        "kernel_size": 7,
        "residual_kernel_size": 3,
        "last_kernel_size": 3,
        "norm": "none",
        "pad_mode": "constant",
        "ratios": [8, 6, 5, 4],
        "true_skip": True,
    },
    "quantizer": {
        "dimension": 8,
        "n_q": 16,
        "bins": 2048,
        "input_dimension": WIDTH,
        "output_dimension": WIDTH,
    },
    "transformer": {
        "d_model": WIDTH,
        "num_heads": 2,
        "num_layers": 1,
        "causal": True,
        "layer_scale": 0.01,
        "context": 50,
        "conv_layout": True,
        "max_period": 10000,
        "gating": "none",
        "norm": "layer_norm",
        "positional_embedding": "rope",
        "dim_feedforward": 32,
        "input_dimension": WIDTH,
        "output_dimensions": [WIDTH],
    },
}
TEXT = (
    "You work for the harbour office and your name is Ada Lake.",
    "Information: the ferry leaves at seven, a ticket costs four pounds.",
    "You enjoy having a good conversation with everyone who calls.",
    "<system> You are a wise and friendly teacher. <system>",
    "How are the waves today? Fine, very fine, thank you!",
)


def build(name: str, home: Path) -> None:
    import torch
    from moshi.models import loaders
    from safetensors.torch import save_file

    torch.manual_seed(7)
    config = CONFIG | {"dep_q": 16 if name == "personaplex-7b-v1" else 8}
    (home / "config.json").write_text(json.dumps(config))
    (home / "mimi.json").write_text(json.dumps(MIMI))
    tokenizer(home / loaders.TEXT_TOKENIZER_NAME)
    shape = {key: value for key, value in config.items() if key != "mimi_config_name"}
    lm = loaders.get_moshi_lm(None, shape, "cpu", torch.float32)
    with torch.no_grad():
        for weights in lm.parameters():
            if weights.ndim == 2:
                weights.normal_(std=0.3)
    save_file(joined(lm.state_dict()), home / loaders.MOSHI_NAME)
    codec = loaders.get_mimi(None, MIMI).state_dict()
    for key, value in codec.items():
        if key.endswith("embedding_sum"):
            value.normal_()
        elif key.endswith("_initialized"):
            value.fill_(1)
        elif key.endswith("conv.weight"):  # as they are, they let next to nothing through
            value.mul_(3 if key.startswith("encoder.") else 2)
    save_file(codec, home / loaders.MIMI_NAME)
    if name == "personaplex-7b-v1":
        voices(home / "voices.tgz", lm)


def tokenizer(file: Path) -> None:
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT * 5),
        model_writer=model,
        vocab_size=CONFIG["text_card"],
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=3,
        minloglevel=2,
    )
    file.write_bytes(model.getvalue())


def joined(state: dict) -> dict:
    """The parameters as published: matrices of attention that differ by step are one."""
    import torch

    found: dict = {}
    for key, value in state.items():
        step = re.fullmatch(r"(.*self_attn\.)(in|out)_projs\.\d+\.weight", key)
        name = key
        if step:
            name = step[1] + ("in_proj_weight" if step[2] == "in" else "out_proj.weight")
        found[name] = torch.cat([found[name], value]) if name in found else value
    return found


def sample():
    """The codes of the published voice, (8, frames)."""
    import torch

    return torch.randint(0, 2048, (8, 9), generator=torch.Generator().manual_seed(3))


def voices(file: Path, lm) -> None:
    """A voice as the authors' program saves it: it goes through the sample a frame at a time and
    keeps the tokens of the last positions in a ring of 4; the first frame is overwritten."""
    import torch

    from scripts.backends.duplex.personaplex import SINE

    codes = sample()
    start = lm._get_initial_token()[0, :, 0]
    ring, saved = torch.full((17, 4), -2), []
    for place in range(codes.shape[1]):
        frame = torch.cat([torch.tensor([3]), codes[:, place], torch.from_numpy(SINE)])
        for stream, delay in enumerate(lm.delays):
            ring[stream, (place + delay) % 4] = frame[stream]
            if place <= delay:
                ring[stream, place % 4] = start[stream]
        if place == 0:
            ring[:, 0] = start
            continue
        before = ring[:, (place - 1) % 4]
        saved.append(lm.text_emb(before[:1]) + sum(lm.emb[k](before[k + 1]) for k in range(16)))
    data = io.BytesIO()
    embeddings = torch.stack(saved)[:, None].detach()
    torch.save({"embeddings": embeddings, "cache": ring[None]}, data)
    with tarfile.open(file, "w:gz") as archive:
        member = tarfile.TarInfo("voices/NATF2.pt")
        member.size = len(data.getvalue())
        archive.addfile(member, io.BytesIO(data.getvalue()))

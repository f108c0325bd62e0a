"""LoRA adapters (Hu et al., 2021, https://arxiv.org/abs/2106.09685) of Moshi's language model, with
the package moshi's own layers: for duplex/personaplex and its training.

An adapter is a folder: lora.safetensors (two matrices for each linear layer), config.json (the
network's, as the package's server reads it with `--lora-weight` and `--config-path`), card.json.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from scripts.common.errors import UserError

TENSORS, CONFIG, CARD = "lora.safetensors", "config.json", "card.json"
DOWN, UP = ".lora_A.weight", ".lora_B.weight"
DEPTH = ("depformer", "linears.")  # where the names of the depth transformer's parameters begin


def add(lm: Any, rank: int, scaling: float, seed: int) -> dict[str, Any]:
    """Put an adapter on every linear layer and freeze all else; returns its parameters by name, in
    float32. It changes nothing yet: the second matrix of each layer is 0."""
    import torch
    from moshi.modules.lora import replace_all_linear_with_lora

    lm.requires_grad_(False)
    replace_all_linear_with_lora(lm, rank, scaling, dtype=torch.float32)
    numbers = torch.Generator().manual_seed(seed)
    found = {}
    for name, weights in lm.named_parameters():
        if name.endswith((DOWN, UP)):
            found[name] = weights
            with torch.no_grad():
                if name.endswith(UP):
                    weights.zero_()
                else:
                    bound = 1 / math.sqrt(weights.shape[1])
                    drawn = torch.empty(weights.shape).uniform_(-bound, bound, generator=numbers)
                    weights.copy_(drawn)
        weights.requires_grad_(name in found)
    return found


def remove(lm: Any) -> None:
    """The linear layers as they were before `add`."""
    from moshi.modules.lora import LoRALinear

    for module in [*lm.modules()]:
        for name, child in [*module.named_children()]:
            if isinstance(child, LoRALinear):
                setattr(module, name, child.frozen_W)


def write(folder: Path, tensors: dict[str, Any], card: dict[str, Any], config: dict) -> None:
    """Write an adapter. `card` must have its `rank`, its `scaling`, the base model's name as
    `weights` and how many codebooks the model predicts (`predicted`)."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: own.detach().cpu() for name, own in tensors.items()}, folder / TENSORS)
    config = config | {"lora": True, "lora_rank": card["rank"], "lora_scaling": card["scaling"]}
    for name, content in ((CARD, card), (CONFIG, config | {"dep_q": card["predicted"]})):
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        (folder / name).write_text(text, encoding="utf-8")


def card_of(folder: Path, weights: str) -> dict[str, Any]:
    """The card of an adapter. Raises UserError if the folder holds none, or one for other
    `weights`."""
    missing = [name for name in (TENSORS, CARD) if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"the adapter {folder} has no {' and no '.join(missing)}; the rule finetune_duplex "
            "makes them."
        )
    try:
        card = json.loads((folder / CARD).read_text("utf-8"))
        base, _, _ = card["weights"], float(card["scaling"]), int(card["predicted"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / CARD} is not the card of an adapter: {error!r}.") from error
    if base != weights:
        raise UserError(
            f"the adapter {folder} was trained on '{base}' and is to be put on '{weights}'; set "
            f"`weights: {base}` for this model."
        )
    return card


def merge(lm: Any, folder: Path, scaling: float) -> None:
    """Add an adapter to the weights of the linear layers that it was made for; raises UserError
    where it does not fit."""
    import torch
    from safetensors.torch import load_file

    try:
        tensors = load_file(folder / TENSORS)
        names = {key.removesuffix(DOWN).removesuffix(UP) for key in tensors}
        if not names:
            raise ValueError("it has no tensors")
        with torch.no_grad():
            for name in sorted(names):
                down, up = (tensors[name + end].float() for end in (DOWN, UP))
                weights = lm.get_submodule(name).weight
                change = scaling * (up.to(weights.device) @ down.to(weights.device))
                if change.shape != weights.shape:
                    raise ValueError(f"{name} is {tuple(weights.shape)}, not {tuple(change.shape)}")
                weights.copy_(weights.float() + change)
    except Exception as error:
        words = " ".join(str(error).split())[:300]
        raise UserError(
            f"the adapter {folder} does not fit; it is corrupt or for another base model "
            f"({type(error).__name__}: {words})."
        ) from error

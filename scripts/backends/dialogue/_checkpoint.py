"""Reads parameters of a checkpoint by name and loads them into a network, or reports mismatches."""

from __future__ import annotations

import json
from pathlib import Path

INDEX = "model.safetensors.index.json"


def tensors(home: Path, prefix: str) -> dict:
    """The tensors in folder `home` whose names start with `prefix`, keyed by the rest of the name.

    The folder has model.safetensors, or several such files and their index.
    """
    from safetensors import safe_open

    files = ["model.safetensors"]
    if (home / INDEX).exists():
        places = json.loads((home / INDEX).read_text("utf-8"))["weight_map"]
        files = sorted({file for name, file in places.items() if name.startswith(prefix)})
    found = {}
    for file in files:
        with safe_open(home / file, "pt") as opened:
            for name in opened.keys():
                if name.startswith(prefix):
                    found[name.removeprefix(prefix)] = opened.get_tensor(name)
    return found


def fill(network, state: dict, what: str):
    """`network` with the parameters of `state`, in eval mode; `what` names it in errors.

    Raises ValueError naming parameters that are missing, unexpected or of another shape.
    """
    wanted = network.state_dict()
    shapes = [
        f"{name} {tuple(state[name].shape)} not {tuple(wanted[name].shape)}"
        for name in sorted(set(wanted) & set(state))
        if state[name].shape != wanted[name].shape
    ]
    demand(what, set(wanted) - set(state), set(state) - set(wanted), shapes)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def demand(what: str, missing, unexpected, shapes) -> None:
    """Raise ValueError unless all three collections of names are empty."""
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    said = [
        f"{kind}: {', '.join(sorted(names)[:3])}" + (", ..." if len(names) > 3 else "")
        for kind, names in kinds.items()
        if names
    ]
    if said:
        raise ValueError(f"{what} has parameters {'; '.join(said)}")

"""Environments that `make env` built from the locks in envs/, without conda."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scripts.common.paths import ROOT

ENVS = ROOT / "envs"
BUILT = ENVS / "built"  # a folder, or a link to one on a larger disk
OWN = "core"  # what Snakemake itself runs in
MARK = "lock.txt"  # in a complete environment: the lock it was built from


def place(name: str) -> Path:
    """The folder of a built environment."""
    return BUILT / name


def fault(name: str) -> str:
    """What is wrong with a built environment and how to fix it; empty if nothing is."""
    mark = place(name) / MARK
    if not mark.is_file():
        return f"{name} is not built: `make env NAME={name}` builds it."
    if mark.read_bytes() != (ENVS / f"{name}.txt").read_bytes():
        return f"{name} was built from another envs/{name}.txt: `make env NAME={name}` renews it."
    return ""


def faults(places: Iterable[str]) -> list[str]:
    """The distinct faults of the environments at `places`."""
    names = sorted({Path(folder).name for folder in places})
    return [text for text in map(fault, names) if text]

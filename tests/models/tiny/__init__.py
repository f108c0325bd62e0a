"""Tiny checkpoints of every family, in the layout of the published ones: real loaders read them.

Each module covers one family: `MODELS`, the names in config/hub_weights.tsv that it makes, and
`build(name, home)`, which writes such a model into the empty folder `home`, with weights from a
fixed seed. `python -m tests.models.tiny FOLDER` makes all of them: a weights folder for
SPEECHROLE_WEIGHTS.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path


def families() -> dict[str, object]:
    """The module that makes each model, by model name."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.name != "__main__"]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in sorted(names)]
    return {model: module for module in modules for model in module.MODELS}


def make(name: str, weights: Path) -> Path:
    """Make the model in weights/<name>, with its receipt, unless it exists."""
    from scripts.common.weights import RECEIPT
    from scripts.setup.download import write_receipt

    home = weights / name
    if not (home / RECEIPT).exists():
        home.mkdir(parents=True, exist_ok=True)
        families()[name].build(name, home)
        write_receipt(home, "made by tests.models.tiny", "0" * 40)
    return home

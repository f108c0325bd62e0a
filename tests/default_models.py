"""The models of config/config.yaml, each with one thread.

`make test` has a process a core: threads beyond that wait for each other, and a model with two
takes several times as long.
"""

from __future__ import annotations

import yaml

from scripts.common.paths import ROOT
from scripts.workflow import specs
from scripts.workflow.model_spec import ModelSpec

MODELS = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))["models"]


def spec_of(name: str) -> ModelSpec:
    """The spec of a model of the config."""
    spec = specs.resolve(MODELS, name, MODELS[name]["capability"], "models")
    for one in specs.with_nested([spec]):
        if "threads" in specs.options_of(one):
            one.options["threads"] = 1
    return spec

"""What a run says about services that are asked over a network.

The Snakefile imports this: nothing heavy here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts.common import job
from scripts.common.paths import ROOT

ALL = "all"  # the limit of what a whole run may cost, among those of its stages


@dataclass(frozen=True)
class Limits:
    """Of one model of a service; None: no limit that we know of."""

    at_once: int
    rpm: float | None  # requests a minute
    tpm: float | None  # tokens a minute, in and out


@dataclass(frozen=True)
class Rules:
    """What a run says about services: the section `services` of the config, and `max_usd`."""

    store: Path
    hosts: tuple[str, ...]
    prices: Path
    limits: Mapping[str, Mapping[str, Any]]
    timeout: float  # seconds for one attempt
    deadline: float  # seconds for a call with all its attempts
    tries: int  # more attempts after a transient fault
    resample: int  # attempts whose answers are refused or unusable
    max_usd: Mapping[str, float]

    def limits_of(self, model: str) -> Limits:
        """The limits of a model as its service calls it."""
        return Limits(**{**self.limits["default"], **self.limits.get(model, {})})


def rules(config: Mapping[str, Any] | None = None) -> Rules:
    """The rules of a config; by default of the current job (scripts/common/job.py), and outside of
    any those of config/config.yaml."""
    config = config or job.current().config
    if config is None:
        config = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
    own = dict(config["services"])
    prices = Path(own.pop("prices"))
    return Rules(
        **{**own, "store": Path(own["store"]), "hosts": tuple(own["hosts"])},
        prices=prices if prices.exists() else ROOT / prices,
        max_usd=caps(config["max_usd"]),
    )


def caps(max_usd: float | Mapping[str, float | None] | None) -> dict[str, float]:
    """Dollars by stage, and under "all" for the run; stages without a limit are left out."""
    found = max_usd if isinstance(max_usd, Mapping) else {ALL: max_usd}
    return {stage: float(usd) for stage, usd in found.items() if usd is not None}

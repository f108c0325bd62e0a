"""Settings of a run for services over a network.

Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts.common import job
from scripts.common.paths import ROOT

ALL = "all"  # name of the whole run's cost limit, among those of its stages


@dataclass(frozen=True)
class Limits:
    """Rate limits of one model of a service; None: no known limit."""

    at_once: int
    rpm: float | None  # requests a minute
    tpm: float | None  # tokens a minute, in and out


@dataclass(frozen=True)
class Rules:
    """The section `services` of the config, and `max_usd`."""

    store: Path
    hosts: tuple[str, ...]
    prices: Path
    limits: Mapping[str, Mapping[str, Any]]
    timeout: float  # seconds for one attempt
    deadline: float  # seconds for a call with all its attempts
    tries: int  # further attempts after a transient error
    resample: int  # attempts with refused or unusable answers
    max_usd: Mapping[str, float]

    def limits_of(self, model: str) -> Limits:
        """The limits of a model, by its name at the service."""
        return Limits(**{**self.limits["default"], **self.limits.get(model, {})})


def rules(config: Mapping[str, Any] | None = None) -> Rules:
    """The rules of a config, by default the current job's (scripts/common/job.py), or those of
    config/config.yaml outside a job."""
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
    """Cost limits in dollars by stage, and "all" for the run; stages without one are left out."""
    found = max_usd if isinstance(max_usd, Mapping) else {ALL: max_usd}
    return {stage: float(usd) for stage, usd in found.items() if usd is not None}

"""What a judge is, in sentences for tables: its model, how it is asked, where it runs, and how a
score above 1 comes about.

Of an address only the kind is told, never the host. Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from scripts.services import hosts as names
from scripts.services.addresses import is_own
from scripts.workflow import specs
from scripts.workflow.model_spec import ModelSpec

PROTOCOLS = {"per_metric": "one call a metric", "joint": "one call for all metrics"}
ORDERS = {
    "both": "asked twice, each side first once",
    "paper": "the tested system always first",
    "random": "the side that comes first drawn at random",
}
OF_RELEASED = (
    "The judge of released scores is what their column `judge` names; its protocol and address are "
    "not in them."
)
ABOVE_ONE = (
    "A score above 1: the judge gave the system's reply more points than the reference, which is a "
    "line of the role and no upper limit."
)
MEASURED = (
    "A judge that asks how likely words are gives more to what its language model expects, so "
    "plain words out of the profile can have more than a reference that says something of its own "
    "(CC, PeC, KC)."
)


def judge_told(judges: Mapping[str, ModelSpec], own_hosts: Iterable[str] = ()) -> list[str]:
    """Sentences on the judges (specs by name) and their scores; without judges, on those of
    released scores. `own_hosts` are the servers that are ours."""
    told = [_told(name, spec, tuple(own_hosts)) for name, spec in judges.items()]
    asks = any(part.capability == "llm" for spec in judges.values() for part in spec.parts)
    return [*(told or [OF_RELEASED]), f"{ABOVE_ONE} {MEASURED}" if asks else ABOVE_ONE]


def _told(name: str, spec: ModelSpec, own_hosts: tuple[str, ...]) -> str:
    model = specs.option(spec, "model") or specs.option(spec, "weights")
    told = f"The judge `{name}`: {f'{model}, by ' if model else ''}{spec.label}"
    parts = [f"{part.capability} {_model(part)}" for part in spec.parts]
    if parts:
        told += f", which measures each side by itself with {', '.join(parts)}"
    protocol, order = (specs.option(spec, key) for key in ("protocol", "order"))
    if protocol in PROTOCOLS:
        told += f", protocol {protocol} ({PROTOCOLS[protocol]})"
    if order in ORDERS:
        samples = specs.option(spec, "samples") or 1
        told += f", order {order} ({ORDERS[order]}), samples {samples}"
    return f"{told}; {place_of(specs.option(spec, 'address'), own_hosts)}."


def place_of(address: str | None, own_hosts: tuple[str, ...]) -> str:
    """The kind of an address; None is a model without one."""
    if address is None:
        return "it runs in the job itself, without an address"
    parts = names.split(address)
    if parts and names.is_here(names.plain(parts.hostname or "")):
        return "its address is a server on the machine of the run"
    if is_own(address, own_hosts):
        return "its address is a server of one's own network"
    return "its address is a service on the internet"


def _model(spec: ModelSpec) -> str:
    return str(specs.option(spec, "weights") or specs.option(spec, "model") or spec.backend)

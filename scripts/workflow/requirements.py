"""Unmet requirements of jobs: weights, media files, keys of services, a cost limit.

Checked by the Snakefile before anything runs: light imports only.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.common import weights
from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.rows.corpus import Medium, media_id
from scripts.rows.jsonl import read_all
from scripts.services import requirements
from scripts.services.settings import Rules
from scripts.workflow import specs
from scripts.workflow.model_spec import ModelSpec

CUDA = 4000  # MB
LISTED = 20  # media files named one by one
ELSEWHERE = ("deb:", "pypi:", "synth:")  # locations that are not paths


@dataclass(frozen=True)
class Work:
    """A job to run: its rule, wildcards and params."""

    rule: str
    wildcards: Mapping[str, str]
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Requirement:
    """A requirement that is not met; `blocking` if nothing may run without it."""

    kind: str
    text: str
    blocking: bool = True


def missing(
    work: Iterable[Work],
    media: list[dict[str, str]],
    rules: Rules,
    had: Container[str] = frozenset(),
) -> list[Requirement]:
    """The unmet requirements of the jobs of `work`. `media` are all rows of media.tsv that a run
    could use, `rules` the config of services, `had` the ids of media that may not be missing."""
    work = list(work)
    models = {repr(spec): spec for job in work for spec in models_of(job)}
    rows = [row for job in work if job.rule == "fetch" for row in job.params["rows"]]
    return [
        *_weights(models.values()),
        *_voices(models.values()),
        *_media(rows, len(media), had),
        *_services([m for m in models.values() if specs.is_service(m)], rules),
    ]


def models_of(job: Work) -> list[ModelSpec]:
    """The distinct specs in a job's params, nested ones included."""
    if job.rule == "fetch" and not any(
        row["location"].startswith("synth:") for row in job.params["rows"]
    ):
        return []  # only written episodes need its synthesiser
    return list({repr(spec): spec for spec in specs.with_nested(_specs(dict(job.params)))}.values())


def fetched(batches: Iterable[str], folder: Path = Path("results/corpus/media")) -> set[str]:
    """The ids of the media that an earlier run had."""
    files = [folder / f"{batch}.jsonl" for batch in batches]
    rows = read_all([file for file in files if file.is_file()], Medium)
    return {row.id for row in rows if row.file}


def there(location: str) -> bool:
    """Whether a medium can be had: its file exists, or it is not a path."""
    return location.startswith(ELSEWHERE) or any(
        (place / location).is_file() for place in (Path(), ROOT)
    )


def folders(places: Iterable[str]) -> list[Requirement]:
    """The folders of recordings that are not there."""
    lost = sorted(place for place in set(places) if not Path(place).is_dir())
    return [Requirement("folder", f"{place} is no folder (config: duplex)") for place in lost]


def report(unmet: list[Requirement]) -> str:
    """The requirements as text, with what to do about them."""
    lines = ["What is missing:"]
    lines += [f"  {one.kind:<8} {one.text}" for one in unmet]
    hub = [row for row in weights.hub_table() if any(_is(one, row) for one in unmet)]
    if hub:
        lines.append(
            f"`snakemake models` with the same --configfile gets these weights, about "
            f"{sum(float(row['gb']) for row in hub):.0f} GB; read their licences first."
        )
    gated = [row["model"] for row in hub if row["gated"] == "yes"]
    if gated:
        lines.append(
            f"Ask for access on the pages of {', '.join(gated)}, and set HF_TOKEN in the "
            "environment."
        )
    return "\n".join(lines)


def _weights(models: Iterable[ModelSpec]) -> list[Requirement]:
    """Weights that are not installed."""
    hub = {row["model"]: row for row in weights.hub_table()}
    names = {name: None for model in models for name in needed(model)}
    found = []
    for name in names:
        try:
            weights.path(name)
        except UserError as error:
            if name in hub:
                kind, _, place = hub[name]["source"].partition(":")
                text = (
                    f"{name}, {hub[name]['gb']} GB, {hub[name]['licence']}: "
                    f"{weights.PAGES.get(kind, '')}{place}"
                )
            else:
                text = str(error)
            found.append(Requirement("weights", text))
    return found


def needed(spec: ModelSpec) -> list[str]:
    """The weights of a backend: names of the two tables in its options, their defaults or its code,
    or a folder given as `weights`."""
    file = specs.file_of(spec)
    values, named = {**specs.defaults(file), **spec.options}, _named(file)
    known = {row["model"] for row in weights.hub_table()} | {row.model for row in weights.table()}
    found = [v for v in [*values.values(), *named] if isinstance(v, str) and v in known]
    own = values.get("weights")
    if isinstance(own, str) and own not in known and own != "default":
        found.append(own)
    return list(dict.fromkeys(found))


def weights_mb(models: Iterable[ModelSpec]) -> int:
    """MB of memory for the weights of some specs, nested models included: the size of their files
    plus a fifth (weights from packages are small and not counted), plus CUDA's libraries for models
    on a GPU."""
    models = list(models)
    hub = {row["model"]: float(row["gb"]) for row in weights.hub_table()}
    names = {name for model in specs.with_nested(models) for name in needed(model)}
    cuda = CUDA * specs.wants_gpu(*models)
    return cuda + round(1200 * sum(hub.get(name, 0.0) for name in names))


def _voices(models: Iterable[ModelSpec]) -> list[Requirement]:
    """Missing clips and transcripts of the users' voices, which options name."""
    found = []
    for model in models:
        name = model.label
        for option, value in model.options.items():
            if option.startswith("user_clip_") and not (value and Path(value).is_file()):
                found.append(Requirement("voice", f"{value or 'a path'} ({option} of {name})"))
            elif option.startswith("user_text_") and not value:
                found.append(
                    Requirement("voice", f"what is said in the users' clip ({option} of {name})")
                )
    return found


def _media(rows: list[dict[str, str]], all_media: int, had: Container[str]) -> list[Requirement]:
    """Missing media files. One missing medium never stops the others: a run is blocked only if
    none is left, or if an earlier one `had` it, whose results would be made anew without it."""
    gone = [row for row in rows if not there(row["location"])]
    if not gone:
        return []
    lost = [row for row in gone if media_id(row) in had]
    gone = lost + [row for row in gone if row not in lost]
    blocking = len(gone) == all_media or bool(lost)
    found = [
        Requirement("media", f"{row['location']} ({row['media']})", blocking)
        for row in gone[:LISTED]
    ]
    if len(gone) > LISTED:
        found.append(
            Requirement("media", f"and {len(gone) - LISTED} more rows of the table", blocking)
        )
    if lost:
        files = "the first is" if len(lost) == 1 else f"the first {len(lost)} are"
        found.append(
            Requirement(
                "media",
                f"{files} in the results of an earlier run: is a disk not mounted? To make these "
                "results anew without what is gone, set allow_lost_media: true in the config",
            )
        )
    elif not blocking:
        found.append(Requirement("media", "the others are used without these", False))
    return found


def _services(models: list[ModelSpec], rules: Rules) -> list[Requirement]:
    """What services one, each thing once, with the backends that want it."""
    found: dict[tuple[str, str], list[str]] = {}
    for model in models:
        name = model.label
        address, key, called = (specs.option(model, o) for o in ("address", "key", "model"))
        shared = {"key": f"{key} in the environment", "limit": "max_usd in the config"}
        for kind, check, *arguments in requirements.needs(name, called, address, key, rules):
            try:
                check(*arguments)
            except UserError as error:
                names = found.setdefault((kind, shared.get(kind, str(error))), [])
                names += [name] if kind in shared and name not in names else []
    return [
        Requirement(kind, f"{text}, for {', '.join(names)}" if names else text)
        for (kind, text), names in found.items()
    ]


def _specs(value: Any) -> list[ModelSpec]:
    """The specs in a param: a spec, or lists and dicts of specs."""
    if isinstance(value, ModelSpec):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [spec for item in value for spec in _specs(item)]
    return []


@functools.cache
def _named(path: Path) -> list[str]:
    """The model names in a backend's calls of path("name")."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and n.args]
    return [
        call.args[0].value
        for call in calls
        if getattr(call.func, "id", getattr(call.func, "attr", "")) == "path"
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    ]


def _is(one: Requirement, row: dict[str, str]) -> bool:
    return one.kind == "weights" and one.text.startswith(f"{row['model']}, ")

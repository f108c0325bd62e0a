"""How a run begins: from media, or from a benchmark; `only` restricts roles and test dialogues.

Imported by the Snakefile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from scripts.common.documents import nearest
from scripts.common.errors import UserError

Rows = list[dict[str, str]]
WRITTEN = 2  # dialogues written for each that is tested, so that some are left to train on


def typed(value: Any) -> Any:
    """A value of `--config` as a file would give it: inside braces and brackets, Snakemake leaves
    numbers, truth values and null as texts."""
    if isinstance(value, dict):
        return {key: typed(own) for key, own in value.items()}
    if isinstance(value, list):
        return [typed(own) for own in value]
    if not isinstance(value, str):
        return value
    try:
        read = yaml.safe_load(value)
    except yaml.YAMLError:
        return value
    return read if read is None or isinstance(read, (bool, int, float)) else value


def with_models(config: dict[str, Any], overlay: str) -> dict[str, Any]:
    """The models of a config, and those of the file of an overlay; of a model that is in both, an
    option that the config has counts."""
    models = yaml.safe_load(Path(overlay).read_text("utf-8"))["models"]
    for name, own in config["models"].items():
        both = name in models and isinstance(own, dict)
        models[name] = models[name] | own if both else own
    return models


def refuse_lonely(config: dict[str, Any]) -> None:
    """Refuse folders that belong to a benchmark where none is named."""
    for key in ("voices", "profiles", "scripts"):
        if config[key]:
            raise UserError(
                f"{key}: {config[key]} belongs to a benchmark, and `benchmark` names none; give "
                "its folder, or set this to null (roles.tsv has columns for files of your roles)."
            )


def narrowed(config: dict[str, Any], roles: Rows, scored: Rows) -> Rows:
    """The rows of roles.tsv in which only the chosen roles have a pool: others are looked for, but
    not played. The counts in `config` become what `only` leaves of them. Released scores may be of
    the `scored` roles, too.

    Raises UserError for a role that is not in the table, or not played.
    """
    chosen, items = config["only"]["roles"], config["only"]["items"]
    played = [row["role"] for row in (*roles, *scored) if row["pool"]]
    for role in chosen:
        if role not in played:
            raise UserError(f"only.roles: no role of this run is '{role}'{nearest(role, played)}")
    if items:
        for mode in ("single", "multi"):
            config["split"][mode] = min(config["split"][mode], items)
            config["write"][mode] = min(config["write"][mode], WRITTEN * items)
    return [row if not chosen or row["role"] in chosen else row | {"pool": ""} for row in roles]


def needed(config: dict[str, Any], media: Rows, roles: Rows) -> Rows:
    """The rows of media.tsv of the config's batches in which a chosen role may speak.

    Raises UserError for a batch that the table lacks.
    """
    known = sorted({row["batch"] for row in media})
    for batch in config["batches"]:
        if batch not in known:
            where = f"batches: no row of {config['media']} is of batch '{batch}'"
            raise UserError(f"{where}{nearest(batch, known)}")
    works = {row["work"] for row in roles if row["pool"]}
    return [
        row
        for row in media
        if row["batch"] in (config["batches"] or known)
        and (not config["only"]["roles"] or row["work"] in works)
    ]

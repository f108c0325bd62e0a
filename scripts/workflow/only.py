"""A smoke run: the config's `only` restricts roles and test dialogues. Imported by the Snakefile."""

from __future__ import annotations

from typing import Any

from scripts.common.documents import nearest
from scripts.common.errors import UserError

Rows = list[dict[str, str]]
WRITTEN = 2  # dialogues written for each that is tested, so that some are left to train on


def narrowed(config: dict[str, Any], roles: Rows) -> Rows:
    """The rows of roles.tsv in which only the chosen roles have a pool: others are looked for, but
    not played. The counts in `config` become what `only` leaves of them.

    Raises UserError for a role that is not in the table, or not played.
    """
    chosen, items = config["only"]["roles"], config["only"]["items"]
    played = [row["role"] for row in roles if row["pool"]]
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

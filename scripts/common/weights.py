"""The folder of model weights, and the two tables of their sources.

config/hub_weights.tsv lists models of a hub, one a row: source, commit, licence and size; the rule
`download` fetches one and writes a receipt with the sha256 of every file.

config/weights.tsv lists the small models that are assembled from registry packages, a row a file
(scripts/setup/assemble_weights.py). config/README.md describes the columns of both.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.common.documents import nearest
from scripts.common.errors import UserError, out_of_memory
from scripts.common.paths import ROOT, sha256_of
from scripts.common.tables import read_table

TABLE = ROOT / "config" / "weights.tsv"
HUB = ROOT / "config" / "hub_weights.tsv"
RECEIPT = "receipt.json"  # {"source", "commit", "files": {name: sha256}}, written last
PAGES = {"hf": "https://huggingface.co/"}  # pages with the licences of hub models


@dataclass(frozen=True)
class Weight:
    """One row of the table; `sha256` and `bytes` are of the joined members."""

    model: str
    file: str
    how: str
    packages: tuple[str, ...]
    member: str
    bytes: int
    sha256: str
    licence: str
    upstream: str


def folder() -> Path:
    """The folder of all models: $SPEECHROLE_WEIGHTS if set, else <project>/weights."""
    return Path(os.environ.get("SPEECHROLE_WEIGHTS") or ROOT / "weights").absolute()


def path(name: str) -> Path:
    """The folder of a model: `name` is in one of the two tables or is a path (with a /).

    Raises UserError, with the licence and the command that fetches it, if the model is missing.
    """
    if "/" in name:
        if not Path(name).is_dir():
            raise UserError(f"the folder of weights {name} does not exist.")
        return Path(name)
    home, hub = folder() / name, {row["model"]: row for row in hub_table()}
    rows = [row for row in table() if row.model == name]
    if name in hub:
        if not (home / RECEIPT).exists():
            raise UserError(absent(hub[name]))
    elif not rows:
        names = {*(row.model for row in table()), *hub}
        raise UserError(
            f"no model '{name}' in config/weights.tsv and config/hub_weights.tsv"
            f"{nearest(name, names)}"
        )
    missing = [row.file for row in rows if not (home / row.file).exists()]
    if missing:
        raise UserError(
            f"the model '{name}' (licence {rows[0].licence}) is not in {home}: "
            f"{', '.join(missing)} missing. Run `make weights`, which downloads and checks it."
        )
    return home


def absent(row: dict[str, str]) -> str:
    """The message about a model of config/hub_weights.tsv that has not been downloaded."""
    hub, _, name = row["source"].partition(":")
    ask = ", and ask for access there" if row["gated"] == "yes" else ""
    return (
        f"the model '{row['model']}' ({row['gb']} GB) is not in {folder() / row['model']}. Read "
        f"its licence ({row['licence']}) on {PAGES.get(hub, '')}{name}{ask}, then run "
        f"`snakemake {folder() / row['model'] / RECEIPT}` where the hub can be reached."
    )


@contextmanager
def loading(who: str, home: Path) -> Iterator[None]:
    """Turns any error while loading a checkpoint in `home` into one UserError.

    Missing packages and UserErrors pass through.
    """
    try:
        yield
    except (UserError, ModuleNotFoundError):
        raise
    except Exception as error:
        if out_of_memory(error):
            raise UserError(f"{who}: memory ran out while {home} was loaded.") from error
        words = " ".join(str(error).split())
        raise UserError(
            f"{who}: the checkpoint in {home} cannot be loaded; it is corrupt or of another model "
            f"({type(error).__name__}: {words[:400]}). Delete the folder and get it again."
        ) from error


def pinned(file: Path) -> Path:
    """Check `file` against its pinned sha256 and return it: for pickles and other formats that can
    run code when opened.

    The sha256 is from config/weights.tsv or from a receipt in its folder or a parent. Raises
    UserError if it differs or is unknown, or if a safetensors file of the same stem lies beside it.
    """
    if file.with_suffix(".safetensors").exists():
        raise UserError(
            f"{file} can run code when it is opened, and there is a safetensors file beside it: "
            "delete it."
        )
    wanted, by = _written_down(file)
    if wanted is None and not by:
        raise UserError(
            f"{file} can run code when it is opened, and no {RECEIPT} vouches for it. If "
            "you trust it: `python -m scripts.setup.download --receipt FOLDER`."
        )
    if (found := sha256_of(file)) == wanted:
        return file
    raise UserError(
        f"{file} can run code when it is opened. It has the sha256 {found} and {by} says {wanted}. "
        "It is not opened: delete it and get the model again."
    )


def _written_down(file: Path) -> tuple[str | None, str]:
    """The known sha256 of a file and its source; (None, "") if there is none."""
    if file.parent.parent == folder():
        for row in table():
            if (row.model, row.file, row.how) == (file.parent.name, file.name, "copy"):
                return row.sha256, "config/weights.tsv"
    for home in file.parents:
        if (home / RECEIPT).exists():
            files = json.loads((home / RECEIPT).read_text("utf-8"))["files"]
            return files.get(file.relative_to(home).as_posix()), "its receipt"
    return None, ""


def hub_table(file: Path = HUB) -> list[dict[str, str]]:
    """The rows of config/hub_weights.tsv."""
    return read_table(file, "hub_weights")


def table(file: Path = TABLE) -> list[Weight]:
    """The rows of config/weights.tsv; its schema says what the columns are."""
    return [_weight(row) for row in read_table(file, "weights")]


def _weight(row: dict[str, str]) -> Weight:
    packages = tuple(p for word in row["packages"].split() for p in expand(word))
    fields: dict[str, Any] = {**row, "bytes": int(row["bytes"]), "packages": packages}
    return Weight(**fields)


def expand(packages: str) -> list[str]:
    """`part{1..3}==1.0` -> part1==1.0, part2==1.0, part3==1.0."""
    span = re.search(r"\{(\d+)\.\.(\d+)\}", packages)
    if not span:
        return [packages]
    numbers = range(int(span[1]), int(span[2]) + 1)
    return [f"{packages[: span.start()]}{n}{packages[span.end() :]}" for n in numbers]

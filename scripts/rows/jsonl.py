"""Rows of the files in results/: one pydantic type for each kind of row, stored as JSON lines.

A row references audio by (file, start, end); `file` is relative to the audio folder beside the
rows. Times are seconds, rounded to milliseconds. A row excluded from the next step stays in its
file with the reason in `dropped`, so the counts of every step add up.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from scripts.common.errors import UserError

Language = Literal["English", "Chinese"]
Mode = Literal["single", "multi"]
Pool = Literal["train", "out_of_domain"]
Split = Literal["train", "out_of_domain", "test"]
Seconds = Annotated[float, AfterValidator(lambda value: round(value, 3))]


class Row(BaseModel):
    """Base of all rows: unknown and missing fields are refused."""

    model_config = ConfigDict(extra="forbid")


Value = TypeVar("Value")
AnyRow = TypeVar("AnyRow", bound=Row)


def given(value: Value | None) -> Value:
    """What only a row that was dropped may lack."""
    if value is None:
        raise ValueError("a row that was not dropped lacks a value")
    return value


def read_rows(path: Path, kind: type[AnyRow]) -> list[AnyRow]:
    """Read a JSON lines file. Raises UserError with file, line number and fault of a malformed
    line."""
    rows = []
    # Only "\n" ends a row: str.splitlines would also break at characters inside a text.
    for number, line in enumerate(_text(path).rstrip("\n").split("\n"), start=1):
        if not line and number == 1:
            break
        try:
            rows.append(kind.model_validate_json(line))
        except ValidationError as error:
            raise UserError(
                f"{path}, line {number}: not a {kind.__name__} row ({fault_of(error)}). "
                "Delete the file to have it made again."
            ) from error
    return rows


def fault_of(error: ValidationError) -> str:
    """The first thing that is wrong with a row: the field, and why."""
    first = error.errors()[0]
    why = re.sub(r" or instance of \w+", "", first["msg"])  # a class of ours says nobody anything
    return f"{'.'.join(map(str, first['loc'])) or 'the line'}: {why}"


def read_all(paths: Iterable[Path], kind: type[AnyRow]) -> list[AnyRow]:
    """The rows of several files, in the order of the files."""
    return [row for path in paths for row in read_rows(path, kind)]


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as JSON lines (UTF-8), one row a line; an empty list makes an empty file."""
    with Path(path).open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row.model_dump(), ensure_ascii=False) + "\n")


def content_id(*parts: object) -> str:
    """A 12-digit hexadecimal id of the parts, the same on every machine and in every run."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


def _text(path: Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; run the rule that makes it.") from error

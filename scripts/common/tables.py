"""Reads hand-written tables (config/*.tsv), as editors and spreadsheets save them.

A table is UTF-8 text with tab-separated cells; the first line names the columns, lines that begin
with # are comments. A byte order mark and empty trailing columns are ignored. Cells are cleaned:
surrounding blanks and invisible characters are removed, no-break spaces become spaces, text is
normalised to NFC, and the quotes of a spreadsheet are removed, as is the apostrophe against
formulas (scripts/common/cells.py). Paths are only stripped. Other encodings are refused by name:
guessing could garble names.

Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

import codecs
import functools
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from scripts.common.cells import undefused
from scripts.common.documents import check, columns, nearest, trailing
from scripts.common.errors import UserError

# Zero-width characters: joiners, direction marks and line break opportunities.
UNSEEN = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
HARD = re.compile("[\u00a0\u2007\u202f]")  # no-break spaces
QUOTED = re.compile(r'"(?:[^"]|"")*"')
LINES = re.compile(r"\r\n|\r|\n")
# File names must match the disk, where accents may be decomposed and spaces no-break.
PATHS = {"location", "truth", "music", "script", "profile"}
OTHERS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16 (a spreadsheet's 'Unicode text')",
    codecs.BOM_UTF16_BE: "UTF-16 (a spreadsheet's 'Unicode text')",
    b"PK\x03\x04": "no text but a workbook",
    b"\xd0\xcf\x11\xe0": "no text but an old workbook",
}


@functools.cache
def read_table(path: Path, schema: str) -> list[dict[str, str]]:
    """The rows of a table, each checked against its schema; empty cells are empty strings.

    Raises UserError that names the file and the line.
    """
    return [row for _, row in located(path, schema)]


@functools.cache
def located(path: Path, schema: str) -> list[tuple[str, dict[str, str]]]:
    """Like `read_table`, with the file and line of each row: ("roles.tsv, line 3", {...})."""
    lines = [
        (number, line)
        for number, line in enumerate(LINES.split(text_of(path)), 1)
        if line.strip() and not clean(line.split("\t")[0]).startswith("#")
    ]
    if not lines:
        raise UserError(f"{path} is empty: its first line must name the columns.")
    first = [clean(cell) for cell in lines[0][1].split("\t")]
    header = first[: max((n for n, name in enumerate(first, 1) if name), default=0)]
    columns(header, schema, f"{path}, line {lines[0][0]}")
    rows = []
    for number, line in lines[1:]:
        where, cells = f"{path}, line {number}", line.split("\t")
        if len(cells) == len(first) and not any(map(clean, cells[len(header) :])):
            cells = cells[: len(header)]
        further = [name for name in trailing(schema) if name not in header]
        if further and len(cells) == len(header) + len(further):
            cells = cells[: len(header)]
        if len(cells) != len(header):
            raise UserError(
                f"{where}: {len(cells)} cells where the header has {len(header)} "
                "(cells are separated by one tab)."
            )
        given = zip(header, cells, strict=True)
        row = {name: clean(cell, composed=name not in PATHS) for name, cell in given}
        check(row, schema, where)
        rows.append((where, row))
    return rows


def text_of(path: Path) -> str:
    """The text of a UTF-8 file, with or without a byte order mark.

    Raises UserError for a missing file and for another encoding.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except IsADirectoryError as error:
        raise UserError(f"{path} is a folder; give the file in it.") from error
    for mark, name in OTHERS.items():
        if data.startswith(mark):
            raise UserError(f"{path} is {name}; save it as text in UTF-8.")
    if b"\0" in data:
        raise UserError(f"{path} holds zero bytes, as UTF-16 text does; save it as UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path}, line {line}, is not UTF-8 (but GBK or a Windows encoding?); save it as UTF-8."
        ) from error


def clean(cell: str, composed: bool = True) -> str:
    """A cell without invisible characters; `composed`: in NFC (not for paths, which must match the
    disk).
    """
    cell = HARD.sub(" ", UNSEEN.sub("", cell)).strip() if composed else _bare(cell)
    if QUOTED.fullmatch(cell):
        cell = cell[1:-1].replace('""', '"').strip()
    return unicodedata.normalize("NFC", undefused(cell)) if composed else cell


def _bare(cell: str) -> str:
    """A cell without surrounding blanks and zero-width characters."""
    return re.sub(rf"^(?:\s|{UNSEEN.pattern})+|(?:\s|{UNSEEN.pattern})+$", "", cell)


def refer(path: Path, schema: str, column: str, names: Iterable[str], where: str) -> None:
    """Refuse a table with a value in `column` that is not among `names`, the names in `where`."""
    known = set(names)
    for line, row in located(path, schema):
        if row[column] not in known:
            raise UserError(
                f"{line}: the {column} '{row[column]}' is not in {where}"
                f"{nearest(row[column], known - {''})}"
            )


def unique(path: Path, schema: str, column: str) -> None:
    """Refuse a table in which two rows have the same value in `column`, but for capital letters."""
    seen: dict[str, str] = {}
    for where, row in located(path, schema):
        name = row[column].casefold()
        if name in seen:
            raise UserError(
                f"{where}: the {column} '{row[column]}' is in {seen[name]}, too (capital letters "
                "do not count); names are unique."
            )
        seen[name] = where


def refuse_duplicates(names: Iterable[str], where: str) -> None:
    """Refuse names that differ only in case: they become file names, which are the same on some
    systems."""
    seen: dict[str, str] = {}
    for name in names:
        if name.casefold() in seen:
            raise UserError(
                f"{where}: '{seen[name.casefold()]}' and '{name}' are one name (capital letters do "
                "not count); names are unique."
            )
        seen[name.casefold()] = name

"""Cells of CSV and TSV files, safe to open in a spreadsheet (formula injection).

A spreadsheet takes a cell that begins with certain characters for a formula, quoted or not, and a
formula can fetch a URL or start a program. Untrusted text (from models and other people) gets an
apostrophe in front of such a character; readers in this project remove it.
"""

from __future__ import annotations

import re

# Full-width ones count in East Asian locales; leading blanks and zero-width characters are ignored.
FORMULA = re.compile("[\\s\0\ufeff\u200b]*[=+\\-@＝＋－＠]|[\t\r\n]")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def defused(text: str) -> str:
    """`text` as a cell that is not a formula; numbers are unchanged."""
    return f"'{text}" if _starts_formula(text) else text


def undefused(cell: str) -> str:
    """The text of a cell made by `defused`; other cells are unchanged."""
    return cell[1:] if cell.startswith("'") and _starts_formula(cell) else cell


def _starts_formula(text: str) -> bool:
    """Whether a formula begins here, after any apostrophes, so that `undefused` is exact."""
    bare = text.lstrip("'")
    return bool(FORMULA.match(bare)) and not NUMBER.fullmatch(bare.strip())

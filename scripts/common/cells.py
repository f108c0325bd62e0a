"""Text in the cells of CSV and TSV files that a spreadsheet may open.

A spreadsheet takes a cell that begins with certain signs for a formula, quotes or not, and a
formula can fetch an address or start a program. Names and words of models and of other people get
an apostrophe in front of such a sign; whoever reads the file here has it taken off again.
"""

from __future__ import annotations

import re

# The wide ones count in East Asian settings; blanks and marks of no width before them do not help.
FORMULA = re.compile("[\\s\0\ufeff\u200b]*[=+\\-@＝＋－＠]|[\t\r\n]")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def defused(text: str) -> str:
    """`text` as a cell that is no formula; a number stays as it is."""
    return f"'{text}" if _starts_formula(text) else text


def undefused(cell: str) -> str:
    """The text of a cell that `defused` made; any other cell as it is."""
    return cell[1:] if cell.startswith("'") and _starts_formula(cell) else cell


def _starts_formula(text: str) -> bool:
    """Whether a formula begins here, behind apostrophes or not: each text has a cell of its own."""
    bare = text.lstrip("'")
    return bool(FORMULA.match(bare)) and not NUMBER.fullmatch(bare.strip())

"""Writes a table as csv for programs (unrounded) and as md and tex for people (rounded).

The tex is a fragment to be included; its first lines say what packages it needs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from csv import DictWriter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.common.cells import defused
from scripts.paper.report.escape import md_inline, md_paragraph, tex_text
from scripts.paper.report.latex import HEAD, breakable, longtables, slug
from scripts.workflow.stage import final_name

EMPTY = "–"
MARKS = {
    "plain": dict.fromkeys(("best", "second", "red", ""), "{}"),
    "md": {"best": "**{}**", "second": "<ins>{}</ins>", "red": "🟥 {}", "": "{}"},
    "tex": {
        **{"best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"},
        **{"red": r"\textcolor{{red}}{{{}}}", "": "{}"},
    },
}


@dataclass(frozen=True)
class Section:
    """One grid of a table for people.

    `columns` maps a key of the rows to its heading. In each of the `ranked` columns the highest
    value is bold and the second highest underlined, among the rows that agree in all `within`
    columns (no marks where such a group holds one value only). With `red` the `difference` of
    each row that does not `agree` is red.
    """

    rows: list[dict[str, Any]]
    columns: dict[str, str]
    title: str = ""
    digits: int = 3
    ranked: Sequence[str] = ()
    within: Sequence[str] = ()
    red: bool = False


def write_table(
    rows: list[dict[str, Any]],
    csv: Path,
    md: Path,
    tex: Path,
    title: str,
    notes: Sequence[str] = (),
    *,
    columns: dict[str, str] | None = None,
    digits: int = 3,
    ranked: Sequence[str] = (),
    within: Sequence[str] = (),
    sections: Sequence[Section] | None = None,
    header: Sequence[str] | None = None,
) -> None:
    """Write `rows` to `csv`, and a page for people to `md` and `tex`.

    csv: all keys of the rows (or those in `header`), floats unrounded, None and NaN as empty
    cells.
    md and tex: by default one grid of the rows with `columns` (default: every key, as is), rounded
    to `digits`; `sections` replaces it by other grids. Notes are sentences, one a
    paragraph; `code` in backticks is kept as such. With no rows, `columns` or `header` must be
    given, and the files say that there are none.
    """
    if header is None and not rows and columns is None:
        raise ValueError(f"{title}: without rows the columns must be named.")
    header = list(header or (rows[0] if rows else columns or ()))
    columns = columns or {key: key for key in header}
    if sections is None:
        sections = [Section(rows, columns, "", digits, ranked, within)]
    write_csv(rows, csv, header)
    Path(md).write_text(markdown(title, sections, notes), encoding="utf-8")
    tex = Path(tex)
    label = f"tab:{tex.parent.name}:{Path(final_name(tex)).stem}"
    tex.write_text(latex(title, sections, notes, label), encoding="utf-8")


def write_csv(rows: list[dict[str, Any]], path: Path, header: Sequence[str]) -> None:
    """Write the `header` columns of `rows`: floats unrounded, None and NaN as empty cells, text
    protected against spreadsheet formulas."""
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = DictWriter(file, header, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: _csv(value) for key, value in row.items()})


def markdown(title: str, sections: Sequence[Section], notes: Sequence[str]) -> str:
    """The page as GitHub markdown."""
    parts = [f"# {md_inline(title)}"]
    for section in sections:
        if section.title:
            parts.append(f"## {md_inline(section.title)}")
        headings = [md_inline(heading) for heading in section.columns.values()]
        grid = [headings, ["---"] * len(headings), *_grid(section, "md", md_inline)]
        parts.append("\n".join("| " + " | ".join(line) + " |" for line in grid))
        if not section.rows:
            parts.append("No rows.")
    return "\n\n".join([*parts, *map(md_paragraph, notes)]) + "\n"


def latex(title: str, sections: Sequence[Section], notes: Sequence[str], label: str) -> str:
    """The page as LaTeX: a table a section, with captions and labels, the notes under the last.

    The first section has the `label`, others that and their title. A number that the title has in
    the paper is told in brackets: the caption gets another one in the document that includes it.
    """
    parts, labels = [f"% {tex_text(title)}\n{HEAD}"], set[str]()
    for number, section in enumerate(sections):
        caption = _caption(title) + (f": {section.title}" if section.title else "")
        own = f"{label}:{slug(section.title) or number + 1}" if number else label
        own = f"{own}-{number + 1}" if own in labels else own
        labels.add(own)
        plain = _grid(section, "plain", str)
        marked = _grid(section, "tex", lambda text: tex_text(breakable(text)))
        if not section.rows:
            plain = marked = [["none", *([""] * (len(section.columns) - 1))]]
        parts.append(longtables([*section.columns.values()], plain, marked, caption, own))
    small = r"\par\smallskip\noindent{\footnotesize\raggedright "
    parts += [f"{small}{tex_text(breakable(note))}\\par}}" for note in notes]
    return "\n\n".join(parts) + "\n"


def _caption(title: str) -> str:
    """A title without its number in the paper, which follows in brackets."""
    found = re.fullmatch(r"(Duplex )?Table (\d+)( [^:]+)?: (.+)", title)
    if found is None:
        return title
    duplex, number, more, rest = found.groups(default="")
    paper = "PersonaPlex" if duplex else "the paper"
    return f"{rest[0].upper()}{rest[1:]} (Table {number} of {paper}{more})"


def _grid(section: Section, form: str, escape: Any) -> list[list[str]]:
    """The cells of a section as text with marks."""
    marks = _marks(section)
    return [
        [
            MARKS[form][marks.get((number, key), "")].format(escape(_cell(row.get(key), section)))
            for key in section.columns
        ]
        for number, row in enumerate(section.rows)
    ]


def _marks(section: Section) -> dict[tuple[int, str], str]:
    """{(row number, column): "best", "second" or "red"}; equal values share a mark."""
    groups: dict[tuple, list[int]] = {}
    for number, row in enumerate(section.rows):
        groups.setdefault(tuple(row.get(key) for key in section.within), []).append(number)
    marks: dict[tuple[int, str], str] = {}
    for numbers in groups.values():
        for key in section.ranked:
            values: dict[int, Any] = {n: section.rows[n].get(key) for n in numbers}
            values = {n: value for n, value in values.items() if not _absent(value)}
            if len(values) < 2:
                continue
            order = sorted(set(values.values()), reverse=True)
            names = dict(zip(order, ("best", "second"), strict=False))
            marks |= {(n, key): names[v] for n, v in values.items() if v in names}
    if section.red:
        marks |= {(n, "difference"): "red" for n, r in enumerate(section.rows) if not r["agrees"]}
    return marks


def _csv(value: Any) -> Any:
    """A value for a CSV file."""
    if _absent(value):
        return ""
    if isinstance(value, str):
        # The writer does not quote a lone \r, which would end the row.
        return defused(value.replace("\r\n", "\n").replace("\r", "\n"))
    return value


def _cell(value: Any, section: Section) -> str:
    if _absent(value):
        return EMPTY
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:z.{section.digits}f}" if isinstance(value, float) else str(value)


def _absent(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))

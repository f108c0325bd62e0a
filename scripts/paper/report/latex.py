"""Grids as LaTeX: tables that break over pages and fit the line, in every engine.

One size of type for all: \\footnotesize. A grid whose columns fit the line has them as wide as they
are; else text columns are wrapped, in widths that add up to the line; a grid whose words alone are
wider than the line stands on a page of its own, turned; one that is wider still is divided.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from scripts.paper.report.escape import BREAK, tex_text

# Fragments are included by documents of any class: they name what they need.
HEAD = r"""% Needs \usepackage{array,booktabs,longtable,pdflscape,xcolor} and pages of one column.
% Chinese: XeLaTeX or LuaLaTeX with \usepackage{ctex}, pdfLaTeX with \usepackage{CJKutf8}.
\ifdefined\zhtext\else\DeclareRobustCommand{\zhtext}[1]{%
  \ifdefined\pdftexversion
    \ifdefined\CJK\begin{CJK*}{UTF8}{gbsn}#1\end{CJK*}\else[needs CJKutf8]\fi
  \else#1\fi}\fi"""
LINE, TURNED = 78, 124  # digits of \footnotesize on the line of a page in article, and turned
PADDING = 1.4  # digits between two columns, 2 \tabcolsep of 3 pt
SLACK = 1.15  # letters that are wider than digits
SHORT = 13  # letters of the shortest word that is divided
LONGEST = 24  # letters in a row that are not divided
WORD = re.compile(rf"[^\s{BREAK}-]+-?")
NUMBER = re.compile(r"[-+]?\d.*|–?")
DIVIDED = re.compile(r"(?<=\w[/_=@])(?=\w)|(?<=[.:,;])(?=[^\W\d])")


def breakable(text: str) -> str:
    """`text` with places to break at in long names, paths and addresses."""
    text = re.sub(rf"\S{{{SHORT},}}", lambda word: DIVIDED.sub(BREAK, word[0]), str(text))
    return re.sub(rf"[!-,.-~]{{{LONGEST}}}(?=[!-,.-~])", rf"\g<0>{BREAK}", text)


def slug(text: str) -> str:
    """A heading as a part of a label."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def longtables(
    headings: Sequence[str],
    plain: Sequence[Sequence[str]],
    marked: Sequence[Sequence[str]],
    caption: str,
    label: str,
) -> str:
    """A grid as one longtable, or as several that repeat its first columns. `plain` are the texts
    of its cells, `marked` the same as LaTeX; `headings` and `caption` are texts."""
    columns = [[name, *(row[n] for row in plain)] for n, name in enumerate(headings)]
    natural = [max(map(_width, column)) for column in columns]
    least = [max(map(_longest_word, column)) for column in columns]
    right = [all(NUMBER.fullmatch(cell) for cell in column[1:]) for column in columns]
    tables = []
    for number, group in enumerate(_groups(least, right)):
        spec, turned = _columns(group, natural, least, right)
        lines = [[tex_text(breakable(headings[n])) for n in group]]
        lines += [[row[n] for n in group] for row in marked]
        more = f" (continued, {number + 1})" if number else ""
        own = f"{label}-{number + 1}" if number else label
        text = _longtable(spec, lines, tex_text(breakable(caption + more)), own)
        tables.append("\\begin{landscape}\n" + text + "\n\\end{landscape}" if turned else text)
    return "\n\n".join(tables)


def _longtable(spec: str, lines: list[list[str]], caption: str, label: str) -> str:
    head, *rows = [" & ".join(line) + r" \\" for line in lines]
    number = len(lines[0])
    return "\n".join(
        [
            r"\begingroup\footnotesize\setlength{\tabcolsep}{3pt}\setlength{\LTcapwidth}{\linewidth}",
            rf"\begin{{longtable}}{{{spec}}}",
            rf"\caption{{{caption}}}\label{{{label}}}\\",
            *(r"\toprule", head, r"\midrule", r"\endfirsthead"),
            *(r"\toprule", head, r"\midrule", r"\endhead"),
            rf"\midrule \multicolumn{{{number}}}{{r}}{{(continued)}} \\",
            *(r"\endfoot", r"\bottomrule", r"\endlastfoot"),
            *rows,
            r"\end{longtable}",
            r"\endgroup",
        ]
    )


def _columns(
    group: list[int], natural: list[float], least: list[float], right: list[bool]
) -> tuple[str, bool]:
    """The column specification of a table, and whether its page is turned."""
    padding = PADDING * len(group)
    wide = sum(least[n] for n in group) + padding > LINE
    room = (TURNED if wide else LINE) - padding
    if sum(natural[n] for n in group) <= room:
        return "".join("r" if right[n] else "l" for n in group), wide
    spare = room - sum(least[n] for n in group)
    wanted = sum(natural[n] - least[n] for n in group)
    parts = []
    for n in group:
        width = least[n] + spare * (natural[n] - least[n]) / wanted if wanted else least[n]
        share = int(10_000 * (width + PADDING) / (room + padding)) / 10_000
        side = r"\raggedleft" if right[n] else r"\raggedright"
        parts.append(
            rf">{{{side}\arraybackslash\hspace{{0pt}}}}"
            rf"p{{\dimexpr {share:.4f}\linewidth-2\tabcolsep\relax}}"
        )
    return "".join(parts), wide


def _groups(least: list[float], right: list[bool]) -> Iterator[list[int]]:
    """The columns of each table: all, or as many as a turned page holds beside the first ones,
    which are those before the first number."""
    first = next((n for n, number in enumerate(right) if number and n), 1)
    kept = list(range(min(first, len(least))))
    group, room = kept.copy(), TURNED - sum(least[n] + PADDING for n in kept)
    left = room
    for n in range(len(kept), len(least)):
        if least[n] + PADDING > left and len(group) > len(kept):
            yield group
            group, left = kept.copy(), room
        group.append(n)
        left -= least[n] + PADDING
    yield group


def _width(text: str) -> float:
    """The width of a text in digits; a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _longest_word(text: str) -> float:
    """The width of the longest part of a text that is not divided."""
    words = WORD.findall(
        re.sub(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]", "  ", breakable(text))
    )
    return max([3.0, *(SLACK * _width(word) for word in words)])

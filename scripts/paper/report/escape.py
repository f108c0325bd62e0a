"""Escaping of text for GitHub markdown and LaTeX, so that untrusted text is never markup.

Names, replies, reasons and versions come from elsewhere. On a page they are plain text: tags,
links, images and commands in them have no effect. Only `code` in single backticks is kept.
"""

from __future__ import annotations

import re

TEX = {
    "\\": r"\textbackslash{}",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
    # At the start of a row, \\ and \midrule would take these as their argument.
    **{sign: f"{{{sign}}}" for sign in "[]*"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "ρ": r"$\rho$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "±": r"$\pm$",
}
# Invisible characters, and those that reverse the text direction.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# Single backticks only: longer runs pair by other rules. In a table a bar ends a cell even in code.
CODE = re.compile(r"(?<!`)`([^`|\\]+)`(?!`)")
SIGNS = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")  # _ inside a word is no markup
ENTITY = re.compile(r"&(?=#?\w+;)")
ADDRESS = re.compile(r"(?<=http)(?=://)|(?<=https)(?=://)|(?<=ftp)(?=://)|(?<=www)(?=\.)", re.I)
BEGINNING = re.compile(r"[#+=-]|\d{1,9}(?=[.)](?:\s|$))")  # of a heading, rule or list


def md_inline(text: str) -> str:
    """`text` inside a line of markdown: a cell, a heading, words after others."""
    text, parts, at = _one_line(text), [], 0
    for code in CODE.finditer(text):
        parts += [_md_plain(text[at : code.start()]), code[0]]
        at = code.end()
    return "".join([*parts, _md_plain(text[at:])])


def md_paragraph(text: str) -> str:
    """`text` as a paragraph of markdown."""
    text = md_inline(text)
    begun = BEGINNING.match(text)
    if begun is None:
        return text
    sign = begun.end() if begun[0].isdigit() else 0
    return f"{text[:sign]}\\{text[sign:]}"


def tex_text(text: str) -> str:
    """`text` with TeX's special characters escaped and `code` as \\texttt."""
    escaped = "".join(TEX.get(sign, sign) for sign in _one_line(text))
    return re.sub(r"`([^`]*)`", r"\\texttt{\1}", escaped)


def _one_line(text: str) -> str:
    return UNSEEN.sub("", " ".join(str(text).split()))


def _md_plain(text: str) -> str:
    """Text without code, with special characters escaped and URLs not linked."""
    text = ADDRESS.sub(r"\\", SIGNS.sub(r"\\\g<0>", text))
    return ENTITY.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")

"""Escaping of text for GitHub markdown and LaTeX, so that untrusted text is never markup.

Names, replies, reasons and versions come from elsewhere. On a page they are plain text: tags,
links, images and commands in them have no effect. Only `code` in single backticks is kept.
"""

from __future__ import annotations

import re
import unicodedata

BREAK = "\ue000"  # a place where LaTeX may break a line; no text has it
GREEK = {
    **dict(zip("αβγδεζηθικλμν", "alpha beta gamma delta varepsilon zeta eta theta iota kappa "
               "lambda mu nu".split(), strict=True)),
    **dict(zip("ξπρςστυφχψω", "xi pi rho varsigma sigma tau upsilon varphi chi psi omega".split(),
               strict=True)),
    **dict(zip("ΓΔΘΛΞΠΣΥΦΨΩ", "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split(),
               strict=True)),
}  # fmt: skip
# Greek letters without a command: those of mathematics look unlike the Latin ones of words.
LOOKS_LATIN = dict(zip("οΑΒΕΖΗΙΚΜΝΟΡΤΧ", "oABEZHIKMNOPTX", strict=True))
SIGNS_OF_MATH = {
    **{"≤": "le", "≥": "ge", "±": "pm", "≈": "approx", "≠": "neq", "∞": "infty", "×": "times"},
    **{"→": "rightarrow", "←": "leftarrow", "↑": "uparrow", "↓": "downarrow", "⇒": "Rightarrow"},
    **{"·": "cdot", "•": "bullet", "÷": "div", "«": "ll", "»": "gg"},
}
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
    "−": "-",
    "—": "---",
    "…": "...",
    **dict(zip("‘’“”", ("`", "'", "``", "''"), strict=True)),
    BREAK: r"\allowbreak{}",
    **{sign: f"${letter}$" for sign, letter in LOOKS_LATIN.items()},
    **{sign: f"$\\{name}$" for sign, name in (GREEK | SIGNS_OF_MATH).items()},
}
CHINESE = re.compile("[\u2e80-\u30ff\u31c0-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]+")
# Marks that LaTeX sets on a letter in every engine and encoding, by their command.
ACCENTS = dict(zip("\u0300\u0301\u0302\u0303\u0308\u0304\u0306\u0307\u030a\u030b\u030c\u0327",
                   "`'^~\"=u.rHvc", strict=True))  # fmt: skip
LATIN = {
    **{"ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}"},
    **{"Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}"},
    **{"§": r"\S{}", "¶": r"\P{}", "©": r"\copyright{}", "£": r"\pounds{}", "°": r"$^\circ$"},
    **{"¿": "?`", "¡": "!`", "\u00a0": "~", "µ": r"$\mu$", "²": "$^2$", "³": "$^3$"},
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
    """`text` with TeX's special characters escaped and `code` as \\texttt.

    Greek letters and other signs are as commands that every engine knows, Chinese is in \\zhtext
    (scripts/paper/report/latex.py), and a character that few fonts have is named by its code.
    """
    parts = []
    for number, part in enumerate(re.split(r"`([^`]*)`", _one_line(text))):
        written = "".join(
            rf"\zhtext{{{run}}}" if CHINESE.fullmatch(run) else "".join(map(_tex_sign, run))
            for run in re.split(f"({CHINESE.pattern})", part)
        )
        parts.append(rf"\texttt{{{written}}}" if number % 2 else written)
    return "".join(parts)


def _tex_sign(sign: str) -> str:
    """One character, not Chinese, in LaTeX."""
    if sign in TEX or sign.isascii():
        return TEX.get(sign, sign)
    apart = unicodedata.normalize("NFD", sign)
    if len(apart) == 2 and apart[0].isascii() and apart[1] in ACCENTS:
        return rf"\{ACCENTS[apart[1]]}{{{apart[0]}}}"
    return LATIN.get(sign, f"{{[}}U+{ord(sign):04X}{{]}}")


def _one_line(text: str) -> str:
    return UNSEEN.sub("", " ".join(str(text).split()))


def _md_plain(text: str) -> str:
    """Text without code, with special characters escaped and URLs not linked."""
    text = ADDRESS.sub(r"\\", SIGNS.sub(r"\\\g<0>", text))
    return ENTITY.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")

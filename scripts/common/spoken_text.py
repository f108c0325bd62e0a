"""The spoken part of a written line: no stage directions, markup, emoji or URLs.

Directions are between asterisks or underscores, or in brackets of any script ("*sighs*",
"(laughs)", "【笑】"). Emphasis is not a direction: "**never**", and one word between asterisks in a
sentence ("I *know* it"), are spoken. A line of nothing but directions is silent.
"""

from __future__ import annotations

import html
import re
import unicodedata

# Emoji, and their joiners and modifiers. Not in the standard library, and not worth a package in
# every environment; letters, digits and currency are outside these ranges.
EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\ufe0e\ufe0f\u200d\u20e3\ufffd"
    "\U000e0020-\U000e007f]+"
)
# Tags of HTML and of models; and a heart.
TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--.*?-->|<\|[^<>]*\|>|(?<!\S)<3(?!\S)", re.DOTALL)
LINK = re.compile(r"!?\[([^\[\]\n]*)\]\((?:https?:|www\.|/|#)[^()\s]*\)")
ADDRESS = re.compile(r"(?:https?://|www\.)[\w./?#@%&=~:;,!$'*+-]*[\w/#=]", re.ASCII)
STRONG = re.compile(r"(\*\*\*?|__|~~)(?=\S)(.+?)(?<=\S)\1")
EMPHASIS = re.compile(r"(?<=[^\W_] )([*_])([^\W_]+)\1(?!\w)")
BETWEEN = re.compile(r"(?<!\d)[*＊](?:[^*＊\n]+|(?=\S)[^*＊]+(?<=\S))[*＊]|(?<!\w)_[^_\n]+_(?!\w)")
LEFT, RIGHT = re.escape("(（[［【〔〖{｛"), re.escape(")）]］】〕〗}｝")
BRACKETS = re.compile(f"[{LEFT}][^{LEFT}{RIGHT}]+[{RIGHT}]")
MARKUP = re.compile(r"^\s*(?:[-•]|\d{1,3}[.)]|>)\s+|(?<!\w)#+|-{3,}|[*＊_`~<>|\\]+", re.MULTILINE)


def aloud(line: str) -> str:
    """The spoken part of `line`, on one line; empty if there is nothing to say."""
    line = ADDRESS.sub(" ", LINK.sub(r"\1", TAG.sub(" ", html.unescape(line))))
    line = "".join(map(_seen, EMOJI.sub(" ", re.sub(r"\\(?=[*_])", "", line))))
    line = BETWEEN.sub(" ", EMPHASIS.sub(r"\2", STRONG.sub(r"\2", line)))
    while (bare := BRACKETS.sub(" ", line)) != line:  # nested brackets
        line = bare
    line = re.sub(r"\s+", " ", MARKUP.sub(" ", line))
    line = re.sub(r"\s+([,.!?;:，。！？；：])", r"\1", line).strip()
    return line if re.search(r"\w", line) else ""


def _seen(letter: str) -> str:
    """A character, a blank for a control character, or nothing for an invisible one."""
    kind = unicodedata.category(letter)
    if letter == "\n" or kind[0] != "C":
        return letter
    return "" if kind == "Cf" else " "

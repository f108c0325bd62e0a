"""What of a written line is said aloud: no stage directions, no markup, no emoji, no addresses.

Directions stand between asterisks or underscores, or in brackets of any script ("*sighs*",
"(laughs)", "【笑】"). Emphasis is no direction: "**never**", and one word between asterisks within
a sentence ("I *know* it"), are said. A line of nothing else is silent.
"""

from __future__ import annotations

import html
import re
import unicodedata

# Pictures, and the signs that join or colour them. Not in the standard library, and not worth a
# package in every environment; letters, digits and currency are outside of these ranges.
EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\ufe0e\ufe0f\u200d\u20e3\ufffd"
    "\U000e0020-\U000e007f]+"
)
# Of HTML and of models; and a heart.
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
    """`line` as it is spoken, on one line; empty if there is nothing to say."""
    line = ADDRESS.sub(" ", LINK.sub(r"\1", TAG.sub(" ", html.unescape(line))))
    line = "".join(map(_seen, EMOJI.sub(" ", re.sub(r"\\(?=[*_])", "", line))))
    line = BETWEEN.sub(" ", EMPHASIS.sub(r"\2", STRONG.sub(r"\2", line)))
    while (bare := BRACKETS.sub(" ", line)) != line:  # brackets in brackets
        line = bare
    line = re.sub(r"\s+", " ", MARKUP.sub(" ", line))
    line = re.sub(r"\s+([,.!?;:，。！？；：])", r"\1", line).strip()
    return line if re.search(r"\w", line) else ""


def _seen(letter: str) -> str:
    """A letter, or a blank for a sign of control; nothing for a mark that nobody sees."""
    kind = unicodedata.category(letter)
    if letter == "\n" or kind[0] != "C":
        return letter
    return "" if kind == "Cf" else " "

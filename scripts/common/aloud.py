"""What of a written line is said aloud: no stage directions, no markup, no emoji.

Directions stand between asterisks or in brackets of any script ("*sighs*", "(laughs)", "【笑】").
Emphasis is no direction: "**never**", and one word between asterisks within a sentence ("I *know*
it"), are said. A line of nothing else is silent.
"""

from __future__ import annotations

import re

# Pictures, and the signs that join or colour them. Not in the standard library, and not worth a
# package in every environment; letters, digits and currency are outside of these ranges.
EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\ufe0e\ufe0f\u200d\u20e3\ufffd"
    "\U000e0020-\U000e007f]+"
)
LINK = re.compile(r"!?\[([^\[\]\n]*)\]\((?:https?:|www\.|/|#)[^()\s]*\)")
STRONG = re.compile(r"(\*\*\*?|__|~~)(?=\S)(.+?)(?<=\S)\1")
EMPHASIS = re.compile(r"(?<=[^\W_] )\*([^\W_]+)\*")
DIRECTIONS = re.compile(r"\*[^*\n]+\*|[(（\[【][^()（）\[\]【】\n]+[)）\]】]")
MARKUP = re.compile(r"^\s*(?:[-•]|\d+\.|#{1,6}|>)\s+|[*_#`~<>|]+", re.MULTILINE)


def aloud(line: str) -> str:
    """`line` as it is spoken, on one line; empty if there is nothing to say."""
    line = EMPHASIS.sub(r"\1", STRONG.sub(r"\2", LINK.sub(r"\1", EMOJI.sub(" ", line))))
    while (bare := DIRECTIONS.sub(" ", line)) != line:  # brackets in brackets
        line = bare
    line = re.sub(r"\s+", " ", MARKUP.sub(" ", line))
    line = re.sub(r"\s+([,.!?;:，。！？；：])", r"\1", line).strip()
    return line if re.search(r"\w", line) else ""

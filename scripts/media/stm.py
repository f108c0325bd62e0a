"""STM, the reference transcripts of NIST's scorers: what is said, by whom and when.

A line is <file> <channel> <speaker> <start> <end> [<label>] <text>, with times in seconds (infmts
of sclite, github.com/usnistgov/SCTK). Markup in a text is read as follows:

- `{ a / b / @ }`: any of these is correct; @ means no word. Groups may be nested.
- `(word)` and `%word` are optional, and so is `{word}`, which marks a noise in TED-LIUM.
- `<mark>` and `[mark]` are not words, nor is the number of a pronunciation, as in `and(2)`.

The text ignore_time_segment_in_scoring excludes a stretch from scoring; the speaker
inter_segment_gap marks a gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripts.media.stretch import Stretch, fields, seconds

FORM = "<file> 1 <speaker> <start> <end> <text>"
IGNORED = "ignore_time_segment_in_scoring"
GAP = "inter_segment_gap"
DEEPEST = 50  # maximum nesting of groups
NOTHING = "@"  # the text of a line without words
MARK = re.compile(r"<[^<>]*>|\[[^][]*\]|(?<=\w)\(\d+\)")
OPTIONAL = re.compile(r"[(（]([^()（）]*)[)）]|(?<![^\s{/(])%([^\s{}]+)")
TIGHT = re.compile(r"\{([^\s{}/]*/[^\s{}]*)\}")  # alternatives without blanks

Pieces = list  # of str, and of lists of Pieces: alternatives


def parse(line: str) -> Stretch | None:
    """A spoken line or an unscored stretch; None for a gap in which nobody speaks.

    The text has no markup except alternatives, `{ a / b / @ }`; a line without words is @. Raises
    ValueError with the error: too few fields, impossible times, an unclosed label or group.
    """
    words = fields(line, most=6)
    if len(words) < 5:
        raise ValueError(f"it has only {len(words)} fields")
    file, _, speaker = words[:3]
    start, end = seconds(words[3], "start"), seconds(words[4], "end")
    if end < start:
        raise ValueError(f"it ends at {words[4]} s, before it starts at {words[3]} s")
    text = words[5] if len(words) > 5 else ""
    if text.startswith("<"):
        label = re.match(r"<[^<>]*>", text)
        if label is None:
            raise ValueError("the label that opens with '<' is not closed")
        text = text[label.end() :].strip()
    if IGNORED in text.lower():
        return Stretch(file, start, end, None)
    if speaker.lower() == GAP:
        if text:
            raise ValueError(f"{GAP} is a gap in which nobody speaks, but here it has a text")
        return None
    text = TIGHT.sub(lambda found: f"{{ {found[1].replace('/', ' / ')} }}", MARK.sub(" ", text))
    while OPTIONAL.search(text):  # innermost first
        text = OPTIONAL.sub(lambda found: f" {{ {found[1] or found[2] or ''} / @ }} ", text)
    pieces(text)
    return Stretch(file, start, end, speaker, " ".join(text.split()) or NOTHING)


def pieces(text: str) -> Pieces:
    """The text as stretches of plain text and lists of alternatives, each again a list of pieces.

    Raises ValueError for an unmatched brace or groups nested too deeply.
    """
    (found,) = _group(iter(re.split(r"([{}])", text)), inside=0)
    return found


def _group(tokens: Iterator[str], inside: int) -> list[Pieces]:
    """The alternatives up to their closing brace, or the rest of the text as the only one.

    `inside` is the number of enclosing groups.
    """
    if inside > DEEPEST:
        raise ValueError(f"more than {DEEPEST} groups in each other")
    options: list[Pieces] = [[]]
    for token in tokens:
        if token == "{":
            options[-1].append(_group(tokens, inside + 1))
        elif token == "}" and inside:
            break
        elif token == "}":
            raise ValueError("a '}' without its '{'")
        else:
            parts = re.split(r"(?<!\S)/(?!\S)", token) if inside else [token]
            for number, part in enumerate(parts):
                if number:
                    options.append([])
                words = re.sub(r"(?<!\S)@(?!\S)", " ", part)
                if words.strip():
                    options[-1].append(words)
    else:
        if inside:
            raise ValueError("a '{' without its '}'")
    return [*options, []] if inside and len(options) == 1 else options

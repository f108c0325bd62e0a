"""RTTM, the speaker turns of NIST's evaluations (RT-09 evaluation plan, appendix A).

A line is <type> <file> <channel> <start> <length> <words> <subtype> <speaker> <confidence>
<look-ahead>; older files lack the last or the last two. Lines are read as md-eval does: turns are
the SPEAKER lines, and NOSCORE stretches are excluded from scoring. Unlike there, these have exactly
their stated length, and NON-LEX (laughs, coughs) is scored.
"""

from __future__ import annotations

from scripts.common.documents import nearest
from scripts.media.stretch import NUMBER, Stretch, fields, seconds

FORM = "SPEAKER <file> 1 <start> <length> <NA> <NA> <speaker> <NA> <NA>"
TYPES = (
    "SPEAKER NOSCORE SPKR-INFO NON-SPEECH NON-LEX LEXEME SEGMENT NO_RT_METADATA FILLER EDIT IP SU"
    " CB A/P"
).split()
NOTHING = ("<NA>", "<na>", "-")
HYPHEN = "write a hyphen for a blank in a name"


def parse(line: str) -> Stretch | None:
    """A turn or an unscored stretch; None for a line of another type.

    Raises ValueError with the error: an unknown type, a wrong number of fields or an invalid field,
    e.g. because of a blank in a name.
    """
    words = fields(line.split(";;")[0])
    kind = words[0].upper()
    if kind not in TYPES:
        raise ValueError(f"there is no type '{words[0]}'{nearest(kind, TYPES).rstrip('.')}")
    if kind not in ("SPEAKER", "NOSCORE"):
        return None
    least = 8 if kind == "SPEAKER" else 5
    if not least <= len(words) <= 10:
        raise ValueError(f"it has {len(words)} fields, not {least} to 10 ({HYPHEN})")
    start, length = seconds(words[3], "start"), seconds(words[4], "length")
    end = round(start + length, 3)
    if kind == "NOSCORE":
        return Stretch(words[1], start, end, None)
    if words[7] in NOTHING:
        raise ValueError(f"the speaker, its eighth field, is {words[7]} ({HYPHEN})")
    for word in words[8:]:
        if word not in NOTHING and not NUMBER.fullmatch(word):
            raise ValueError(f"'{word}' is no confidence or look-ahead ({HYPHEN})")
    return Stretch(words[1], start, end, words[7])

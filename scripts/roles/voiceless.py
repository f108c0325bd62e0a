"""Why a role has no clip that could be its voice: the first step at which it has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from scripts.common.errors import UserError
from scripts.rows.corpus import Quality, Recording, Segment
from scripts.rows.roles import RefusedVoice, RoleSpeaker

NAMED = 10  # roles that are named for one reason


def why_voiceless(
    role: Mapping[str, str],
    speakers: Iterable[RoleSpeaker],
    recordings: Iterable[Recording],
    segments: Sequence[Segment],
    quality: Mapping[str, Quality],
) -> str:
    """The reason why a row of roles.tsv has no usable clip. `quality` is by segment.

    In the order of the corpus: no recording of its work, no speaker, no decision, no clip that can
    be one, none good enough, none in which words were recognised.
    """
    if not any(row.work == role["work"] and row.dropped is None for row in recordings):
        return f"no medium of '{role['work']}' could be read"
    own = [row for row in speakers if row.role == role["role"]]
    if not own:
        return f"no speaker of '{role['work']}' was taken for this role, by models or by people"
    heard = {(row.media, row.speaker) for row in own if row.dropped is None}
    if not heard:
        return f"{_counted(len(own), 'speaker')} could be this role: {_most(own)}"
    clips = [row for row in segments if (row.media, row.speaker) in heard]
    if not clips:
        return f"no stretch of speech of its {_counted(len(heard), 'speaker')} makes a clip"
    whole = [row for row in clips if row.dropped is None]
    if not whole:
        return f"{_counted(len(clips), 'clip')}, none of use: {_most(clips)}"
    rated = [quality[row.id] for row in whole if row.id in quality]
    if all(row.dropped is not None for row in rated):
        best = max(rated, key=lambda row: row.ovrl, default=None)
        worst = f": of the best one, {best.dropped}" if best else ""
        return f"{_counted(len(whole), 'clip')}, none good enough{worst}"
    good = sum(row.dropped is None for row in rated)
    return f"no words were recognised in its {_counted(good, 'clip')}"


def refuse_nobody(refusals: Iterable[RefusedVoice]) -> None:
    """Raise UserError: no role has a voice. Says why, by reason."""
    why: dict[str, list[str]] = {}
    for row in refusals:
        if row.segment is None:
            why.setdefault(row.dropped, []).append(row.role)
    told = "; ".join(
        f"{', '.join(names[:NAMED])}{f' and {len(names) - NAMED} more' if names[NAMED:] else ''}: "
        f"{reason}"
        for reason, names in why.items()
    )
    raise UserError(
        f"no role has a voice, so there would be no dialogue. {told}. Who speaks is decided in the "
        "table `speaker_decisions`; results/roles/pending.tsv has the open lines, to be copied "
        "there. A run without any voice is allowed by choose_voices.nobody: allow."
    )


def _most(rows: Sequence[Segment] | Sequence[RoleSpeaker]) -> str:
    """The most frequent reason of the rows, with its number if there are others."""
    ((reason, number), *others) = Counter(row.dropped or "" for row in rows).most_common()
    return f"{reason} ({number} of them)" if others else reason


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

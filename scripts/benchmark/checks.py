"""Checks a benchmark before the first job: every file is opened once, and faults end the run.

What the release itself has wrong is told and kept: it is part of what the printed scores are about.
(A role has another's profile, and its synthesis kept only the beginning of long lines.)
Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts.benchmark.items import Item, oddity, profile_in
from scripts.benchmark.layout import MODES, Rows, hidden, whole
from scripts.benchmark.released import Released

LISTED = 10  # sentences of one kind that are told one by one


def check(
    released: Released,
    roles: Rows,
    sets: Sequence[int],
    most: int | None,
    task_types: set[str],
    printed: Counter[str],
) -> list[str]:
    """What a user should know about the benchmark's `roles`, at `most` so many dialogues of each
    role and mode, with these `sets` of reference speech; `task_types` are Figure 4's sub-tasks,
    and `printed` the released dialogues of each language.

    Raises UserError for the first fault: a file that is missing or cannot be read, a turn without
    audio, audio that does not open.
    """
    whole(released.files, "benchmark", [row["role"] for row in roles])
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    people, lengths, turns, bare, several = [], [], [], [], []
    for row in roles:
        clip, said = released.voice(row["role"])
        odd = oddity(said, clip)
        lengths += [f"voices: {clip.file}: {odd}"] if odd else []
        released.script(row["role"])
        everything = []
        for mode in MODES:
            items = released.items(row["role"], mode, tuple(sets))[:most]
            counts[row["language"]] += len(items)
            everything += items
            lengths += [f"{item.where}, {odd}" for item in items for odd in odd_lengths(item)]
            turns += [item.where for item in items if (mode == "single") != (len(item.turns) == 1)]
            kinds.update(
                item.category
                for item in items
                if item.category and item.category.strip().casefold() not in task_types
            )
        released.profile_text(row["role"], everything)
        if not released.text_file(row["role"], "profiles"):
            profiles = [" ".join(profile_in(item).split()) for item in everything]
            bare += [
                item.where for item, text in zip(everything, profiles, strict=True) if not text
            ]
            different = len({*profiles} - {""})
            several += [f"role '{row['role']}': {different} different profiles"] * (different > 1)
        others = released.other_person(row, everything)
        people += [f"{where} {sentence}" for where, sentence in others.items()]
    notices = [_counted(counts, len(roles), printed)]
    archive = hidden(released.benchmark)
    if archive:
        notices.append(
            f"{len(archive)} files of macOS's archives are passed over, as {archive[0]}: they are "
            "no data, and may be deleted."
        )
    kind = "not one turn in single_turn, or only one in multi_turn; taken as they are"
    notices += listed(people, "kept as released; leave the role out by the config's `only`")
    notices += listed(lengths, "kept as released; hear it, and copy it again if it is another's")
    notices += listed(turns, kind)
    notices += listed(bare, "it has no system_prompt; the role's profile is from another dialogue")
    first = "in its system prompts; the first is taken for all, unless the config names `profiles`"
    notices += listed(several, first)
    known = "no sub-task of Figure 4, so figure2 does without"
    notices += listed([f"category '{kind}' of {n} dialogues" for kind, n in kinds.items()], known)
    return notices


def odd_lengths(item: Item) -> list[str]:
    """A sentence for each utterance whose audio has another length than its text could have, is
    cut off or silent, or is the user's and the role's. Raises UserError for audio that does not
    open."""
    found = []
    for number, turn in enumerate(item.turns, start=1):
        said = [("user", turn.user, turn.user_speech)]
        said += [(f"role, set {n}", turn.role, speech) for n, speech in turn.references.items()]
        for who, text, speech in said:
            odd = oddity(text, speech)
            if who != "user" and speech.file and speech.file == turn.user_speech.file:
                odd = "this is also the user's speech"
            if odd:
                name = speech.file.name if speech.file else "base64"
                found.append(f"turn {number}, {who} ({name}): {odd}")
    return found


def listed(sentences: Sequence[str], advice: str) -> list[str]:
    """Sentences with what to do, at most `LISTED` of them and the number of the others."""
    told = [f"{sentence} ({advice})." for sentence in sentences[:LISTED]]
    rest = len(sentences) - LISTED
    return [*told, f"... and {rest} more like it."] if rest > 0 else told


def _counted(counts: Counter[str], roles: int, printed: Counter[str]) -> str:
    """How many dialogues there are, beside the released number."""
    own = f"benchmark: {_told(counts)} of {roles} roles"
    if counts == printed:
        return f"{own}, as released."
    return (
        f"{own} are scored, where the release has {_told(printed)}: do not compare them with "
        "printed scores."
    )


def _told(counts: Counter[str]) -> str:
    parts = ", ".join(f"{language} {number}" for language, number in sorted(counts.items()))
    return f"{counts.total()} dialogues ({parts})"


def sounds(items: Iterable[Item]) -> list[Path]:
    """The audio files of dialogues."""
    return [
        speech.file
        for item in items
        for turn in item.turns
        for speech in (turn.user_speech, *turn.references.values())
        if speech.file
    ]

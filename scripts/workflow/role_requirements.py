"""Roles that will have no dialogues, or only thin ones: without a voice, a script or a profile.

Told with what else is missing; none of it stops a run, whose other roles are worked on. Before the
corpus is made, the tables of media and roles tell; once roles/ is made, its rows do. Checked by the
Snakefile: light imports only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from scripts.rows.jsonl import read_rows
from scripts.rows.roles import Profile
from scripts.workflow.left_out import voiceless
from scripts.workflow.requirements import Requirement, Work, there

NAMED = 10  # roles named one by one
MAKERS = {"voice": "choose_voices", "profile": "profile"}  # the rules that find out
NO_PROFILE = "the model gave no profile"  # how the flag of such a role begins


def roles_lacking(
    work: Iterable[Work],
    played: list[dict[str, str]],
    media: list[dict[str, str]],
    folder: Path = Path("results/roles"),
) -> list[Requirement]:
    """What roles lack, for the jobs of `work`. `played` are the rows of roles.tsv with a pool,
    `media` the rows of media.tsv that the run uses, `folder` the results of the phase roles."""
    rules = {job.rule for job in work}
    if MAKERS["voice"] in rules:
        found = _of_tables(played, media)
    elif rules & {"write", "speak_users", "speak", "respond", "judge"}:
        found = _of_rows(played, folder, MAKERS["profile"] in rules)
    else:
        return []
    return [
        Requirement("role", _told(names, len(played), what), blocking=False)
        for what, names in found
        if names
    ]


def _of_tables(
    played: list[dict[str, str]], media: list[dict[str, str]]
) -> Iterator[tuple[str, list[str]]]:
    """What roles lack, with their names, where no medium of their work is there."""
    works = {row["work"] for row in media if there(row["location"])}
    lacking: dict[tuple[str, ...], list[str]] = {}
    for row in played:
        if row["work"] not in works:
            own = tuple(what for what in ("script", "profile") if not row[what])
            lacking.setdefault(("voice", *own), []).append(row["role"])
    for parts, names in lacking.items():
        yield f"no {' and no '.join(parts)}, as no medium of their work is there", names


def _of_rows(
    played: list[dict[str, str]], folder: Path, profiles_anew: bool
) -> Iterator[tuple[str, list[str]]]:
    """What roles lack, with their names, by the rows in `folder`."""
    profiles = folder / "profiles.jsonl"
    why: dict[str, list[str]] = {}
    for name, reason in voiceless(played, folder).items():
        why.setdefault(reason, []).append(name)
    for reason, names in why.items():
        yield f"no voice ({reason})", names
    if profiles.is_file() and not profiles_anew:
        rows = read_rows(profiles, Profile)
        yield (
            "no script: nothing of theirs is known",
            [row.role for row in rows if not row.lines and not row.excerpts],
        )
        yield (
            "no profile but their lines: the model wrote none",
            [row.role for row in rows if any(flag.startswith(NO_PROFILE) for flag in row.flags)],
        )


def _told(names: list[str], number: int, what: str) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    have = "role has" if number == 1 else "roles have"
    return f"{len(names)} of {number} {have} {what}: {', '.join(names[:NAMED])}{more}"

"""The page of Tables 6 and 7: the roles and their splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.paper.report.layout import Section, write_table
from scripts.paper.report.published import SOURCES, read_published

CUT = 50  # the paper prints 50 of its 98 roles in Table 6 and the rest in Table 7
SPLITS = {"train": "train/test", "out_of_domain": "dev/test"}
COLUMNS = {
    "name": "Role name",
    "category": "Category",
    "language": "Language",
    "gender": "Gender",
    "work": "Source work",
    "split": "Split",
}
HEADER = ["role", *COLUMNS, "source", "synthetic"]


def write_roles(
    published: Path,
    roles: list[dict[str, str]],
    media: list[dict[str, str]],
    part: int,
    outputs: tuple[Path, Path, Path],
) -> None:
    """Write the csv, md and tex (`outputs`) of half of the roles, `part` 1 or 2.

    `roles` and `media` are the rows of roles.tsv and media.tsv. The printed roles are divided where
    the paper divides them, this run's in halves.
    """
    origin = [
        row
        | {"name": row["role_as_printed"], "work": row["source"], "source": "printed"}
        | {"split": SPLITS[row["pool"]]}
        for row in read_published(published)
    ]
    own = [
        row | {"source": "run", "split": SPLITS[row["pool"]], "synthetic": synthetic(row, media)}
        for row in played(roles)
    ]
    half = (len(own) + 1) // 2
    origin, own = (origin[:CUT], own[:half]) if part == 1 else (origin[CUT:], own[half:])
    write_table(
        origin + own,
        *outputs,
        f"Table {5 + part}: roles and their splits (part {part})",
        _notes(origin, own, roles),
        sections=[
            Section(origin, COLUMNS, SOURCES["printed"].capitalize()),
            Section(own, COLUMNS | {"synthetic": "Synthetic"}, SOURCES["run"].capitalize()),
        ],
        header=HEADER,
    )


def played(roles: list[dict[str, str]]) -> list[dict[str, str]]:
    """The roles with dialogues: those of a pool."""
    return [role for role in roles if role["pool"]]


def synthetic(role: dict[str, str], media: list[dict[str, str]]) -> bool:
    """Whether all media of a role's work are synthesised episodes."""
    places = [row["location"] for row in media if row["work"] == role["work"]]
    return bool(places) and all(place.startswith("synth:") for place in places)


def _notes(origin: list[dict[str, Any]], own: list[dict[str, Any]], roles: list) -> list[str]:
    count = len(played(roles))
    notes = [
        "train/test: in training and test; dev/test: held out of training, in test only.",
        f"This run: {len(own)} of the {count} roles to be played stand in this part; those that "
        f"were found and speak are counted in Table 1. {len(roles) - count} more are looked for "
        "in the media but not played.",
    ]
    spelt = [f"{row['name']} ({row['role']})" for row in origin if row["role"] != row["name"]]
    if spelt:
        names = ", ".join(spelt)
        notes.append(f"Printed otherwise than in the released data, whose id follows: {names}.")
    return notes

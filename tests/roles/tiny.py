"""Rows of a small scene, for the tests of this phase."""

from __future__ import annotations

from functools import partial
from typing import Any

from scripts.rows.corpus import Recording, media_id
from tests import rows

WORK = "The Flight"
MEDIUM = {"media": "The crash", "location": "crash.mp4", "work": WORK, "language": "English"}
SILENT = {"media": "Telephone", "location": "telephone.wav", "work": "", "language": "English"}
ID = media_id(MEDIUM)

turn, segment = partial(rows.turn, media=ID), partial(rows.segment, media=ID)
identity, speaker = partial(rows.identity, media=ID), partial(rows.role_speaker, media=ID)


def role(name: str, pool: str = "train", **changed: str) -> dict[str, str]:
    """A row of roles.tsv."""
    row = {"role": name.lower(), "name": name, "category": "Game", "language": "English"}
    row |= {"gender": "Female", "work": WORK, "pool": pool, "script": "", "profile": ""}
    return row | changed


ROLES = [role("Joe"), role("Ann"), role("Zoe", pool="")]


def recording(medium: dict[str, str] = MEDIUM, **changed: Any) -> Recording:
    """The recording of a row of media.tsv."""
    about = {"work": medium["work"], "language": medium["language"]}
    return rows.recording(media_id(medium), **(about | changed))

"""Rows of a small scene, for the tests of this phase."""

from __future__ import annotations

from pathlib import Path

from scripts.rows.corpus import Quality, Recording, Segment, Transcript, Turn, media_id
from scripts.rows.jsonl import write_rows
from scripts.rows.roles import Identity, RoleSpeaker

WORK = "The Flight"
MEDIUM = {"media": "The crash", "location": "crash.mp4", "work": WORK, "language": "English"}
SILENT = {"media": "Telephone", "location": "telephone.wav", "work": "", "language": "English"}
ID = media_id(MEDIUM)


def role(name: str, pool: str = "train", **changed) -> dict[str, str]:
    row = {"role": name.lower(), "name": name, "category": "Game", "language": "English"}
    row |= {"gender": "Female", "work": WORK, "pool": pool, "script": "", "profile": ""}
    return row | changed


ROLES = [role("Joe"), role("Ann"), role("Zoe", pool="")]


def written(path: Path, rows) -> Path:
    write_rows(path, rows)
    return path


def recording(medium: dict[str, str] = MEDIUM, **changed) -> Recording:
    key = media_id(medium)
    fields = {"work": medium["work"], "language": medium["language"], "file": f"{key}.flac"}
    return Recording(id=key, **(fields | changed))


def turn(start: float, end: float, speaker: str, media: str = ID) -> Turn:
    return Turn(media=media, speaker=speaker, start=start, end=end)


def segment(key: str, start: float, end: float, speaker: str, dropped=None, media=ID) -> Segment:
    return Segment(
        id=key, media=media, speaker=speaker, start=start, end=end, speech=end - start,
        dropped=dropped,
    )  # fmt: skip


def identity(speaker: str, role: str | None, media: str = ID) -> Identity:
    return Identity(
        media=media, speaker=speaker, work=WORK, candidates=["joe", "ann", "zoe"], votes=[],
        agreed=True, role=role, seconds=4, evidence=[],
    )  # fmt: skip


def speaker(name: str, role: str | None, media: str = ID, **changed) -> RoleSpeaker:
    fields = {"status": "verified", "by": "a person"} | changed
    return RoleSpeaker(media=media, speaker=name, work=WORK, role=role, **fields)


def good(key: str, dropped: str | None = None) -> Quality:
    return Quality(id=key, ovrl=3.2, sig=3.5, bak=4.0, dropped=dropped)


def said(key: str, text: str) -> Transcript:
    return Transcript(id=key, text=text, language="English")

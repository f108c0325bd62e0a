"""What a run left out, told at its end: media and roles by name, each with its reason, and how many
decisions about speakers are open.

Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from pathlib import Path

from scripts.rows.corpus import Medium, Recording, media_id
from scripts.rows.jsonl import read_rows
from scripts.rows.roles import RefusedVoice, Voice

STEPS: dict[str, type[Medium] | type[Recording]]
STEPS = {"media": Medium, "audio": Recording, "vocals": Recording}


def left_out(
    rules: Iterable[str],
    media: Sequence[dict[str, str]],
    batches: Iterable[str],
    played: Sequence[dict[str, str]],
    results: Path = Path("results"),
) -> list[str]:
    """A line each for what was left out of a run that has jobs of `rules`, if anything was.

    `media` are the rows of media.tsv that it uses, in `batches`, `played` those of roles.tsv with a
    pool.
    """
    rules = set(rules)
    lines = []
    if "fetch" in rules:
        why = _media(results / "corpus", {media_id(row): row["media"] for row in media}, batches)
        lines += [f"medium {name}: {reason}" for name, reason in why.items()]
    if "choose_voices" in rules:
        mute = voiceless(played, results / "roles")
        lines += [f"role {name}: {reason}" for name, reason in mute.items()]
    pending = results / "roles" / "pending.tsv"
    if "verify" in rules and pending.is_file():
        lines += _open(pending, {row["media"] for row in media})
    return lines


def voiceless(played: Iterable[dict[str, str]], folder: Path) -> dict[str, str]:
    """Why each role without a voice has none, by the rows in the `folder` of the roles."""
    voices, refused = folder / "voices.jsonl", folder / "voices_refused.jsonl"
    if not voices.is_file():
        return {}
    names = {row.role for row in read_rows(voices, Voice)}
    why: dict[str, list[str]] = {}
    for row in read_rows(refused, RefusedVoice) if refused.is_file() else ():
        if row.segment is None:
            why.setdefault(row.role, []).append(row.dropped)
    return {
        row["role"]: "; ".join(why.get(row["role"], ["it has no clip"]))
        for row in played
        if row["role"] not in names
    }


def _media(folder: Path, names: dict[str, str], batches: Iterable[str]) -> dict[str, str]:
    """The first reason why each medium was left out."""
    why: dict[str, str] = {}
    for batch in batches:
        for step, kind in STEPS.items():
            path = folder / step / f"{batch}.jsonl"
            rows: Sequence[Medium | Recording] = read_rows(path, kind) if path.is_file() else []
            for row in rows:
                if row.dropped is not None and row.id in names:
                    why.setdefault(names[row.id], row.dropped)
    return why


def _open(pending: Path, media: Set[str]) -> list[str]:
    """A line on the open decisions about `media`, with how many each has."""
    with pending.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        places = Counter(row["media"] for row in rows if row["media"] in media)
    if not places:
        return []
    told = ", ".join(f"{number} of {name}" for name, number in places.items())
    return [f"open decisions about speakers, in {pending}: {told}"]

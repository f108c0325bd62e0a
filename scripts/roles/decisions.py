"""People's decisions about speakers, and whom they are about.

A decision in config/speaker_decisions.tsv names a stretch of speech (media, start, end) and a role;
it applies to the speaker who talks most in that stretch, so it survives another diarization.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from scripts.common import documents
from scripts.common.errors import UserError
from scripts.common.tables import located
from scripts.rows.corpus import Turn, media_id
from scripts.rows.jsonl import read_all, read_rows
from scripts.rows.roles import Identity

CLEAR = 0.7  # share of a stretch's speech that a speaker needs for a decision to apply


class Decision(NamedTuple):
    """A line of speaker_decisions.tsv, checked."""

    title: str  # the medium's name in the line
    media: str  # its id
    start: float
    end: float
    role: str | None  # None: nobody of the cast speaks there
    by: str
    date: str
    where: str  # file and line, for messages


class Matched(NamedTuple):
    """Decisions by whether they are about a speaker."""

    decided: dict[tuple[str, str], Decision]  # by medium and speaker
    contrary: list[tuple[Decision, Decision]]  # two about one speaker that say different things
    idle: list[tuple[Decision, str]]  # those that are about nobody, and why


def matched(
    decisions: Iterable[Decision], talk: dict[str, list[Turn]], found: Iterable[Identity]
) -> Matched:
    """The decisions with their speakers: `talk` has the turns of each medium."""
    known = {(row.media, row.speaker) for row in found}
    result = Matched({}, [], [])
    for decision in decisions:
        speaker, why = whose(decision.start, decision.end, talk.get(decision.media, []))
        if speaker is None or (decision.media, speaker) not in known:
            result.idle.append((decision, why or "nobody is looked for in this medium"))
            continue
        before = result.decided.setdefault((decision.media, speaker), decision)
        if before.role != decision.role:
            result.contrary.append((before, decision))
    return result


def matched_earlier(decisions: Iterable[Decision], batches: Iterable[str]) -> Matched:
    """The same by the rows that an earlier run left in results/."""
    talk = talk_of([Path(f"results/corpus/turns/{batch}.jsonl") for batch in batches])
    return matched(decisions, talk, read_rows(Path("results/roles/identities.jsonl"), Identity))


def talk_of(turns: list[Path]) -> dict[str, list[Turn]]:
    """The turns of each medium."""
    talk: dict[str, list[Turn]] = defaultdict(list)
    for turn in read_all(turns, Turn):
        talk[turn.media].append(turn)
    return talk


def refuse_contrary(given: Matched) -> None:
    """Raise UserError for the first two decisions that contradict each other."""
    for one, other in given.contrary:
        raise UserError(
            f"{one.where} and {other.where} are about the same speaker of '{one.title}' and "
            f"contradict each other: {one.role or 'nobody'} and {other.role or 'nobody'}; change "
            "or remove one of them."
        )


def read_decisions(path: Path, media: list[dict], roles: list[dict]) -> list[Decision]:
    """The checked lines of speaker_decisions.tsv about `media`, rows of media.tsv.

    A line of pending.tsv that still has no verdict is no decision, and one about an unknown medium
    belongs to another run. Raises UserError, with file and line, for an invalid time, a missing
    name or date, a role that the medium's work does not have, and a name close to that of one of
    `media`.
    """
    known = {row["media"]: row for row in media}
    decisions = []
    for where, row in located(path, "speaker_decisions"):
        if not row["verdict"]:
            continue
        start, end = seconds(row["start"], where), seconds(row["end"], where)
        if end <= start:
            raise UserError(f"{where}: the stretch ends ({end:g} s) before it starts.")
        for name, what in (("by", "who decided"), ("date", "the day, as 2026-01-31")):
            if not row[name]:
                raise UserError(f"{where}: a verdict needs {what} in the column '{name}'.")
        medium = known.get(row["media"])
        if medium is None and documents.near(row["media"], known):
            near = documents.nearest(row["media"], known)
            raise UserError(f"{where}: no medium is called '{row['media']}'{near}")
        if medium is None:
            continue
        role = row["role"] if row["verdict"] == "yes" else None
        if role is not None:
            check_role(role, medium, roles, where)
        about = row["media"], media_id(medium), start, end
        decisions.append(Decision(*about, role, row["by"], row["date"], where))
    return decisions


def seconds(text: str, where: str) -> float:
    """A time written as seconds (83.5) or as minutes and seconds (1:23.5)."""
    if not re.fullmatch(r"([0-9]{1,6}:(?=[0-5]?[0-9](\.|$)))?[0-9]{1,6}(\.[0-9]+)?", text):
        raise UserError(
            f"{where}: '{text}' is not a time; write seconds (83.5) or minutes:seconds (1:23.5)."
        )
    minutes, _, rest = text.rpartition(":")
    return 60 * int(minutes or 0) + float(rest)


def check_role(role: str, medium: dict[str, str], roles: list[dict], where: str) -> None:
    """Raise UserError for a role that is not of the medium's work."""
    cast = [row["role"] for row in roles if row["work"] == medium["work"]]
    if not medium["work"] or not cast:
        raise UserError(
            f"{where}: nobody is looked for in '{medium['media']}': roles.tsv has no role of its "
            f"work '{medium['work']}'. Remove the line, or correct the work."
        )
    if role not in cast:
        raise UserError(
            f"{where}: no role of '{medium['work']}' is called '{role}'"
            f"{documents.nearest(role, cast)}"
        )


def whose(start: float, end: float, turns: list[Turn]) -> tuple[str | None, str]:
    """The speaker who talks most from second `start` to `end`, or None and why."""
    seconds: dict[str, float] = defaultdict(float)
    for turn in turns:
        seconds[turn.speaker] += max(0.0, min(turn.end, end) - max(turn.start, start))
    total = sum(seconds.values())
    if not total:
        return None, "nobody speaks in this stretch"
    speaker = max(sorted(seconds), key=lambda name: seconds[name])
    if seconds[speaker] < CLEAR * total:
        return None, "more than one speaker talks in this stretch"
    return speaker, ""

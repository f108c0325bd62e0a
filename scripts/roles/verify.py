"""Applies people's decisions about speakers to the models' choices (paper, section 3.2).

The paper checks every assignment by hand. A decision in config/speaker_decisions.tsv names a
stretch of speech (media, start, end) and a role; it applies to the speaker who talks most in that
stretch, so it survives another diarization. Decisions that match no speaker, and speakers without a
decision, go to results/roles/pending.tsv with the times and quotes a person needs.
"""

import csv
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from scripts.common import documents
from scripts.common.cells import defused
from scripts.common.errors import UserError
from scripts.common.tables import located
from scripts.rows.corpus import Turn, media_id
from scripts.rows.jsonl import read_all, read_rows, write_rows
from scripts.rows.roles import Identity, RoleSpeaker, Vote
from scripts.workflow import stage

SOMEBODY_ELSE = "somebody else"  # none of the roles that are looked for
CLEAR = 0.7  # share of a stretch's speech that a speaker needs for a decision to apply


class Decision(NamedTuple):
    """A line of speaker_decisions.tsv, checked."""

    title: str  # the medium's name in the line
    media: str  # its id; empty: media.tsv has no such medium
    start: float
    end: float
    role: str | None  # None: nobody of the cast speaks there
    by: str
    where: str  # file and line, for messages


def verify(
    identities: Path,
    turns: list[Path],
    decisions: Path,
    speakers: Path,
    pending: Path,
    media: list[dict],
    roles: list[dict],
    unverified: str,
) -> None:
    """Write one `RoleSpeaker` a diarized speaker of a work, and pending.tsv.

    media and roles are rows of media.tsv and roles.tsv. `unverified` is what happens to a
    speaker without a decision: "drop", "keep" (the models' choice) or "fail". Raises UserError
    for a malformed, unknown or contradictory decision, and with "fail".
    """
    names = {media_id(row): row["media"] for row in media}
    talk: dict[str, list[Turn]] = defaultdict(list)
    for turn in read_all(turns, Turn):
        talk[turn.media].append(turn)
    found = read_rows(identities, Identity)
    known = {(row.media, row.speaker) for row in found}
    decided: dict[tuple[str, str], Decision] = {}
    waiting = []
    for decision in read_decisions(decisions, media, roles):
        if decision.media not in names:
            near = documents.nearest(decision.title, names.values())
            waiting.append(pending_row(decision, f"no medium has this name{near}"))
            continue
        speaker, why = whose(decision, talk[decision.media])
        if speaker is None or (decision.media, speaker) not in known:
            reason = why or "nobody is looked for in this medium"
            waiting.append(pending_row(decision, reason))
            continue
        before = decided.setdefault((decision.media, speaker), decision)
        if before.role != decision.role:
            raise UserError(
                f"{before.where} and {decision.where} are about the same speaker ({speaker} of "
                f"'{decision.title}') and contradict each other: {before.role or 'nobody'} and "
                f"{decision.role or 'nobody'}; change or remove one of them."
            )
    rows = [apply_decision(row, decided.get((row.media, row.speaker)), unverified) for row in found]
    open_rows = [row for row, out in zip(found, rows, strict=True) if out.status == "unverified"]
    if unverified == "fail" and open_rows:
        raise UserError(
            f"nobody has decided who these speakers are: "
            f"{', '.join(f'{row.speaker} of {names[row.media]!r}' for row in open_rows)}; "
            f"add lines to {decisions}, or set verify.unverified to drop or keep."
        )
    write_rows(speakers, rows)
    write_pending(pending, waiting + [open_row(names, row) for row in open_rows])


def read_decisions(path: Path, media: list[dict], roles: list[dict]) -> list[Decision]:
    """The checked lines of speaker_decisions.tsv.

    Raises UserError, with file and line, for an invalid time, a role that the medium's work does
    not have, and a name close to that of one of `media`. Any other unknown medium belongs to
    another run: its roles cannot be checked.
    """
    known = {row["media"]: row for row in media}
    decisions = []
    for where, row in located(path, "speaker_decisions"):
        start, end = seconds(row["start"], where), seconds(row["end"], where)
        if end <= start:
            raise UserError(f"{where}: the stretch ends ({end:g} s) before it starts.")
        medium = known.get(row["media"])
        if medium is None and documents.near(row["media"], known):
            near = documents.nearest(row["media"], known)
            raise UserError(f"{where}: no medium is called '{row['media']}'{near}")
        role = row["role"] if row["verdict"] == "yes" else None
        if medium and role is not None:
            check_role(role, medium, roles, where)
        key = media_id(medium) if medium else ""
        decisions.append(Decision(row["media"], key, start, end, role, row["by"], where))
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


def whose(decision: Decision, turns: list[Turn]) -> tuple[str | None, str]:
    """The speaker who talks most in the decision's stretch, or None and why."""
    seconds: dict[str, float] = defaultdict(float)
    for turn in turns:
        inside = min(turn.end, decision.end) - max(turn.start, decision.start)
        seconds[turn.speaker] += max(0.0, inside)
    total = sum(seconds.values())
    if not total:
        return None, "nobody speaks in this stretch"
    speaker = max(sorted(seconds), key=lambda name: seconds[name])
    if seconds[speaker] < CLEAR * total:
        return None, "more than one speaker talks in this stretch"
    return speaker, ""


def apply_decision(row: Identity, decision: Decision | None, unverified: str) -> RoleSpeaker:
    """A speaker's role, with the decision if there is one."""
    base = {"media": row.media, "speaker": row.speaker, "work": row.work}
    if decision is None:
        dropped = "nobody has decided who this is" if unverified == "drop" else None
        if row.role is None:
            dropped = "neither people nor models gave this speaker a role"
        return RoleSpeaker(**base, role=row.role, status="unverified", by="models", dropped=dropped)
    if decision.role is None:
        reason = "a person said: nobody who is looked for"
        return RoleSpeaker(**base, role=None, status="rejected", by=decision.by, dropped=reason)
    return RoleSpeaker(**base, role=decision.role, status="verified", by=decision.by)


COLUMNS = ["media", "start", "end", "verdict", "role", "by", "date", "why", "evidence"]


def open_row(names: dict[str, str], row: Identity) -> dict[str, str]:
    """A line for pending.tsv: a speaker without a decision, with the models' choice to confirm."""
    first = row.evidence[0] if row.evidence else None
    votes = ", ".join(told(vote, row.role) for vote in row.votes)
    return {
        "media": names[row.media],
        "start": f"{first.start:.2f}" if first else "",
        "end": f"{first.end:.2f}" if first else "",
        "role": row.role or "",
        "why": f"{row.speaker}, {row.seconds:g} s of speech; {votes}",
        "evidence": " | ".join(f"{e.start:.1f} s: {e.text}" for e in row.evidence),
    }


def told(vote: Vote, role: str | None) -> str:
    """A vote in words; one that is not for the proposed `role` says so, with its probability."""
    share = vote.somebody_else if vote.role is None else vote.scores[vote.role]
    against = "" if role in (None, vote.role) else f" (not {role}, {vote.scores[role]:.2f})"
    return f"{vote.model}: {vote.role or SOMEBODY_ELSE} {share:.2f}{against}"


def pending_row(decision: Decision, reason: str) -> dict[str, str]:
    """A line for pending.tsv: a decision that matches no speaker."""
    return {
        "media": decision.title,
        "start": f"{decision.start:.2f}",
        "end": f"{decision.end:.2f}",
        "role": decision.role or "",
        "by": decision.by,
        "why": f"{decision.where}: {reason}",
    }


def write_pending(path: Path, rows: list[dict[str, str]]) -> None:
    """Write pending.tsv with the columns of speaker_decisions.tsv, so that lines can be copied
    there; untrusted text is protected against spreadsheet formulas."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", restval="", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: defused(" ".join(value.split())) for key, value in row.items()})


if __name__ == "__main__":
    stage.run(verify, globals().get("snakemake"))

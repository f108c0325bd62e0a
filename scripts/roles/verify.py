"""Applies people's decisions about speakers to the models' choices (paper, section 3.2).

The paper checks every assignment by hand. A person's decision counts, whatever the models said; one
that every model contradicts is flagged.
"""

from pathlib import Path
from typing import Any

from scripts.common.errors import UserError
from scripts.roles.decisions import Decision, matched, read_decisions, refuse_contrary, talk_of
from scripts.rows.corpus import media_id
from scripts.rows.jsonl import read_rows, write_rows
from scripts.rows.roles import Identity, RoleSpeaker
from scripts.workflow import stage

NOBODY = "nobody who is looked for"


def verify(
    identities: Path,
    turns: list[Path],
    decisions: Path,
    speakers: Path,
    media: list[dict],
    roles: list[dict],
    unverified: str,
) -> None:
    """Write one `RoleSpeaker` a diarized speaker of a work.

    media and roles are rows of media.tsv and roles.tsv. `unverified` is what happens to a
    speaker without a decision: "drop", "keep" (the models' choice) or "fail". Raises UserError
    for a malformed, unknown or contradictory decision, and with "fail".
    """
    found = read_rows(identities, Identity)
    given = matched(read_decisions(decisions, media, roles), talk_of(turns), found)
    refuse_contrary(given)
    decided = given.decided
    open_rows = [row for row in found if (row.media, row.speaker) not in decided]
    if unverified == "fail" and open_rows:
        names = {media_id(row): row["media"] for row in media}
        raise UserError(
            f"nobody has decided who these speakers are: "
            f"{', '.join(f'{row.speaker} of {names[row.media]!r}' for row in open_rows)}; "
            f"results/roles/pending.tsv has their lines. Add them to {decisions}, or set "
            "verify.unverified to drop or keep."
        )
    rows = [apply_decision(row, decided.get((row.media, row.speaker)), unverified) for row in found]
    for row in rows:
        for flag in row.flags:
            print(f"{decided[row.media, row.speaker].where}: {flag}; listen again.")
    write_rows(speakers, rows)


def apply_decision(row: Identity, decision: Decision | None, unverified: str) -> RoleSpeaker:
    """A speaker's role, with the decision if there is one."""
    base: dict[str, Any] = {"media": row.media, "speaker": row.speaker, "work": row.work}
    if decision is None:
        dropped = "nobody has decided who this is" if unverified == "drop" else None
        if row.role is None:
            dropped = "neither people nor models gave this speaker a role"
        return RoleSpeaker(**base, role=row.role, status="unverified", by="models", dropped=dropped)
    flags = against(row, decision)
    if decision.role is None:
        reason = f"a person said: {NOBODY}"
        return RoleSpeaker(
            **base, role=None, status="rejected", by=decision.by, dropped=reason, flags=flags
        )
    return RoleSpeaker(**base, role=decision.role, status="verified", by=decision.by, flags=flags)


def against(row: Identity, decision: Decision) -> list[str]:
    """A flag if all models vote for one and the same role, and a person for another or nobody."""
    votes = {vote.role for vote in row.votes}
    if len(row.votes) < 2 or len(votes) > 1 or votes & {None, decision.role}:
        return []
    (role,) = votes
    return [
        f"a person said '{decision.role or NOBODY}' of {row.speaker} of '{decision.title}', all "
        f"{len(row.votes)} models '{role}'"
    ]


if __name__ == "__main__":
    stage.run(verify, globals().get("snakemake"))

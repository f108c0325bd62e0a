"""Lists what people should decide next: speakers without a decision, decisions that settle nothing.

The paper checks every assignment by hand (section 3.2). A line has the times and quotes that a
person needs, and the columns of config/speaker_decisions.tsv first, where it is copied. Written
before decisions are applied, so that no bad decision costs the list that it is mended with.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from scripts.common.cells import defused
from scripts.common.tables import read_table
from scripts.roles.decisions import Decision, matched, read_decisions, talk_of, whose
from scripts.rows.corpus import Turn, media_id
from scripts.rows.jsonl import read_rows
from scripts.rows.roles import Identity, Vote
from scripts.workflow import stage

SOMEBODY_ELSE = "somebody else"  # none of the roles that are looked for
COLUMNS = ["media", "start", "end", "verdict", "role", "by", "date", "why", "evidence"]


def pending(
    identities: Path,
    turns: list[Path],
    decisions: Path,
    pending: Path,
    media: list[dict],
    roles: list[dict],
) -> None:
    """Write pending.tsv; media and roles are rows of media.tsv and roles.tsv.

    Raises UserError for a malformed decision or one with an unknown name.
    """
    names = {media_id(row): row["media"] for row in media}
    talk, found = talk_of(turns), read_rows(identities, Identity)
    given = read_decisions(decisions, media, roles)
    verdicts = [row for row in read_table(decisions, "speaker_decisions") if row["verdict"]]
    print(f"{decisions}: {len(verdicts) - len(given)} decisions are about media of other runs")
    decided, contrary, idle = matched(given, talk, found)
    rows = [decision_row(decision, reason) for decision, reason in idle]
    for one, other in contrary:
        rows.append(decision_row(one, f"{other.where} contradicts it"))
        rows.append(decision_row(other, f"{one.where} contradicts it"))
    rows += [
        open_row(names[row.media], row, talk[row.media])
        for row in found
        if (row.media, row.speaker) not in decided
    ]
    with pending.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", restval="", lineterminator="\n")
        writer.writeheader()
        for cells in rows:  # untrusted text must be no formula to a spreadsheet
            writer.writerow({key: defused(" ".join(cells[key].split())) for key in cells})


def open_row(title: str, row: Identity, turns: list[Turn]) -> dict[str, str]:
    """A line for a speaker without a decision, with the models' choice to confirm."""
    start, end = next(stretches(row, turns))
    votes = ", ".join(told(vote, row.role) for vote in row.votes)
    return {
        "media": title,
        "start": f"{start:.2f}",
        "end": f"{end:.2f}",
        "role": row.role or "",
        "why": f"{row.speaker}, {row.seconds:g} s of speech; {votes}",
        "evidence": " | ".join(f"{e.start:.1f} s: {e.text}" for e in row.evidence),
    }


def stretches(row: Identity, turns: list[Turn]) -> Iterator[tuple[float, float]]:
    """Stretches to decide about a speaker by, the best first: quotes and then turns in which
    nobody else talks much; last, the longest turn."""
    own = sorted(
        (turn for turn in turns if turn.speaker == row.speaker),
        key=lambda turn: (turn.start - turn.end, turn.start),
    )
    quoted = [(one.start, one.end) for one in row.evidence]
    for start, end in [*quoted, *((turn.start, turn.end) for turn in own)]:
        if whose(start, end, turns)[0] == row.speaker:
            yield start, end
    yield own[0].start, own[0].end


def told(vote: Vote, role: str | None) -> str:
    """A vote in words; one that is not for the proposed `role` says so, with its probability."""
    share = vote.somebody_else if vote.role is None else vote.scores[vote.role]
    against = "" if role in (None, vote.role) else f" (not {role}, {vote.scores[role]:.2f})"
    return f"{vote.model}: {vote.role or SOMEBODY_ELSE} {share:.2f}{against}"


def decision_row(decision: Decision, reason: str) -> dict[str, str]:
    """A line for a decision that settles nothing."""
    return {
        "media": decision.title,
        "start": f"{decision.start:.2f}",
        "end": f"{decision.end:.2f}",
        "verdict": "no" if decision.role is None else "yes",
        "role": decision.role or "",
        "by": decision.by,
        "date": decision.date,
        "why": f"{decision.where}: {reason}",
    }


if __name__ == "__main__":
    stage.run(pending, globals().get("snakemake"))

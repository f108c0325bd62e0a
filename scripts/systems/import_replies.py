"""Takes the recorded answers of a system that ran elsewhere, as respond would have written them.

A dialogue without all its answers has the reason in `dropped`, and its scores count as missing.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import given, read_rows, write_rows
from scripts.rows.systems import Reply, ReplyTurn
from scripts.systems.recorded import Recorded, fault_of_answers, read_answers
from scripts.workflow import stage


def import_replies(
    test: Path,
    replies: Path,
    answers: Path,
    name: str,
    recorded: str,
    names: dict[str, str],
    sets: int,
) -> None:
    """Write a Reply row for each Dialogue row of `test`, and copy the speech into `answers`.

    `recorded` is a folder or a table of the system `name`; `names` are those of all known roles.
    Each of the `sets` of reference speech has its own dialogues, and the same answers. Raises
    UserError as in scripts/systems/recorded.py.
    """
    found = read_answers(Path(recorded), name, names)
    dialogues = sorted(read_rows(test, Dialogue), key=lambda row: row.id)
    counts = Counter((row.role, row.mode) for row in dialogues)
    answers.mkdir(parents=True, exist_ok=True)
    rows = []
    for row in dialogues:
        number = given(row.idx) % (counts[row.role, row.mode] // sets)
        turns = found.get((row.role, row.mode, number), {})
        reason = fault_of_answers(turns, [turn.user for turn in row.turns])
        rows.append(
            Reply(
                id=row.id,
                system=name,
                role=row.role,
                mode=row.mode,
                language=row.language,
                turns=[
                    _turn(one, answers, f"{row.id}-{turn}") for turn, one in sorted(turns.items())
                ],
                voice_mode="recorded",
                dropped=reason if turns else "it has no recorded answers",
            )
        )
    write_rows(replies, rows)


def _turn(answer: Recorded, folder: Path, name: str) -> ReplyTurn:
    """Copy an answer's audio; returns its row."""
    said: dict[str, Any] = {"heard": None, "text": answer.text}
    if answer.speech is None:
        return ReplyTurn(audio=None, **said)
    seconds, _, suffix = answer.speech.header()
    answer.speech.copy(folder / f"{name}{suffix}")
    return ReplyTurn(audio=f"{name}{suffix}", seconds=seconds, **said)


if __name__ == "__main__":
    stage.run(import_replies, globals().get("snakemake"))

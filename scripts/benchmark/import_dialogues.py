"""Takes the released test dialogues and their speech, as split and speak would have written them.

Instead of write, classify, deduplicate, split and speak. Audio is copied as it is, at its own rate.
With several sets of reference speech each dialogue is there once a set: those with set 2 are
numbered after those with set 1.
"""

from pathlib import Path

from scripts.benchmark.checks import odd_lengths
from scripts.benchmark.items import Item, Speech
from scripts.benchmark.layout import MODES
from scripts.benchmark.released import Released
from scripts.rows.dialogues import Dialogue, Exchange, Spoken, SpokenTurn
from scripts.rows.jsonl import Mode, content_id, write_rows
from scripts.workflow import stage


def import_dialogues(
    test: Path,
    spoken: Path,
    speech: Path,
    roles: list[dict],
    names: dict[str, str],
    folders: dict[str, str | None],
    sets: list[int],
    most: int | None,
    task_types: dict[str, str],
) -> None:
    """Write a Dialogue and a Spoken row for each released dialogue of `roles` (of one shard) and
    each set of reference speech; audio goes into `speech`.

    At `most` so many of a role and mode are taken. `task_types`: the sub-tasks of Figure 4 by their
    names in small letters. The others as in import_roles.
    """
    released = Released(folders, roles, names)
    speech.mkdir(parents=True, exist_ok=True)
    dialogues, heard = [], []
    for row in sorted(roles, key=lambda row: row["role"]):
        for mode in MODES:
            found = released.items(row["role"], mode, tuple(sets))[:most]
            for place, number in enumerate(sets):
                for idx, item in enumerate(found):
                    dialogue = _dialogue(row, mode, idx + place * len(found), item, number)
                    dialogue.subtask = task_types.get(item.category.strip().casefold())
                    dialogues.append(dialogue)
                    heard.append(_spoken(dialogue, item, number, speech))
    write_rows(test, dialogues)
    write_rows(spoken, heard)


def _dialogue(row: dict, mode: Mode, idx: int, item: Item, number: int) -> Dialogue:
    texts = [text for turn in item.turns for text in (turn.user, turn.role)]
    return Dialogue(
        id=content_id(row["role"], mode, idx, number, *texts),
        **{key: row[key] for key in ("role", "language", "pool")},
        mode=mode,
        turns=[Exchange(user=turn.user, role=turn.role) for turn in item.turns],
        context=item.context,
        model="released",
        idx=idx,
    )


def _spoken(dialogue: Dialogue, item: Item, number: int, folder: Path) -> Spoken:
    turns, rate = [], 0
    for place, turn in enumerate(item.turns, start=1):
        user, user_seconds, _ = _copied(turn.user_speech, folder, f"{dialogue.id}_{place}_user")
        role, role_seconds, rate = _copied(
            turn.references[number], folder, f"{dialogue.id}_{place}_role"
        )
        turns.append(
            SpokenTurn(
                user_audio=user,
                user_seconds=user_seconds,
                role_audio=role,
                role_seconds=role_seconds,
            )
        )
    return Spoken(
        id=dialogue.id,
        role=dialogue.role,
        language=dialogue.language,
        turns=turns,
        sample_rate=rate,
        voice=f"released, set {number}",
        voice_mode="cloned",
        flags=odd_lengths(item),
    )


def _copied(speech: Speech, folder: Path, name: str) -> tuple[str, float, int]:
    """Copy one utterance; returns its file, seconds and rate."""
    seconds, rate, suffix = speech.header()
    speech.copy(folder / f"{name}{suffix}")
    return f"{name}{suffix}", seconds, rate


if __name__ == "__main__":
    stage.run(import_dialogues, globals().get("snakemake"))

"""Table 1: characters, samples and hours of speech of each split."""

from pathlib import Path
from typing import Any

from scripts.paper.report.layout import write_table
from scripts.paper.report.published import SOURCES, read_published
from scripts.rows.dialogues import Dialogue, Spoken
from scripts.rows.jsonl import read_all
from scripts.workflow import stage

COLUMNS = {
    "split": "Split",
    "label": "Source",
    "characters": "Characters",
    "samples": "Samples",
    "single_turn": "Single-turn",
    "multi_turn": "Multi-turn",
    "speech_hours": "Speech hours",
    "user_hours": "User hours",
    "character_hours": "Character hours",
    "without_speech": "Without speech",
    "synthetic": "Synthetic",
    "voices_matched": "Voices matched",
}


def table1(
    published: Path,
    train: list[Path],
    out_of_domain: list[Path],
    test: list[Path],
    spoken: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
) -> None:
    """Count this run's dialogues and seconds of speech beside the printed figures.

    csv: one row a split and source (`printed` or `run`). For this run it also counts samples
    without speech, those of a synthetic role, and those in a matched instead of a cloned voice;
    these are empty in printed rows.
    """
    speech = {row.id: row for row in read_all(spoken, Spoken)}
    splits = {"train": train, "out_of_domain": out_of_domain, "test": test}
    counted = {split: _count(read_all(paths, Dialogue), speech) for split, paths in splits.items()}
    rows = []
    for row in read_published(published):
        rows.append(row | {"source": "printed"})
        rows.append({"split": row["split"], "source": "run"} | counted[row["split"]])
    write_table(
        [row | {"label": SOURCES[row["source"]]} for row in rows],
        table_csv,
        table_md,
        table_tex,
        "Table 1: statistics of the data",
        notes=[
            "Test dialogues are taken out of the pool of their role, so the splits share none.",
            "Of this run: samples without speech are counted but add no hours; synthetic samples "
            "are of roles whose voice or script is synthetic; a matched voice is the nearest of "
            "the TTS's own voices, not a clone of the role's.",
        ],
        columns=COLUMNS,
        header=["split", "source", *list(COLUMNS)[2:]],
    )


def _count(dialogues: list[Dialogue], speech: dict[str, Spoken]) -> dict[str, Any]:
    """The figures of one split."""
    said = [speech[row.id] for row in dialogues if row.id in speech and not speech[row.id].dropped]
    user = sum(turn.user_seconds for row in said for turn in row.turns) / 3600
    character = sum(turn.role_seconds for row in said for turn in row.turns) / 3600
    return {
        "characters": len({row.role for row in dialogues}),
        "samples": len(dialogues),
        "single_turn": sum(row.mode == "single" for row in dialogues),
        "multi_turn": sum(row.mode == "multi" for row in dialogues),
        "speech_hours": user + character,
        "user_hours": user,
        "character_hours": character,
        "without_speech": len(dialogues) - len(said),
        "synthetic": sum(row.synthetic for row in dialogues),
        "voices_matched": sum(row.voice_mode == "matched" for row in said),
    }


if __name__ == "__main__":
    stage.run(table1, globals().get("snakemake"))

"""Exports a run's spoken dialogues: `python -m scripts.setup.export FOLDER [ROLE ...]`.

Run it in the folder of a finished run. FOLDER receives the FLAC files and metadata.jsonl, with one
row per file and `file_name` first: the layout that the package `datasets` loads as an AudioFolder.
Speech in a cloned or matched voice may be redistributed only if its reference clip may: a role
whose clip is from a medium with `redistribute: no` (config/media.tsv) is refused, and nothing is
written. Without ROLE, all roles with a voice are exported.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.rows.dialogues import Dialogue, Spoken
from scripts.rows.jsonl import read_rows
from scripts.rows.roles import Voice

RESULTS = Path("results")
SPLITS = ("train", "out_of_domain", "test")


def export(folder: Path, roles: list[str] | None = None, results: Path = RESULTS) -> int:
    """Write the speech of `roles` into `folder`; returns the number of files.

    Raises UserError, before anything is written, for a role that is unknown or may not be
    redistributed, and for a folder that is not empty.
    """
    voices = {row.role: row for row in read_rows(results / "roles/voices.jsonl", Voice)}
    wanted = roles or list(voices)
    for role in wanted:
        if role not in voices:
            raise UserError(f"no role with a voice is called '{role}'{nearest(role, voices)}")
    kept_back = [role for role in wanted if not voices[role].redistribute]
    if kept_back:
        raise UserError(
            f"the clips of {', '.join(kept_back)} are of media that may not be passed on "
            "(redistribute: no in the table of media), and so is speech made from them. Nothing "
            "was written; name the roles to export without these."
        )
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} holds something already; name a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for split in SPLITS for row in files_of(results, split, set(wanted), folder)]
    with (folder / "metadata.jsonl").open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return len(rows)


def files_of(results: Path, split: str, roles: set[str], folder: Path) -> list[dict[str, Any]]:
    """Copy a split's files; returns a row of metadata.jsonl for each."""
    rows = []
    for path in sorted((results / "dialogues" / split).glob("*.jsonl")):
        speech = results / "dialogues/speech" / split / path.stem
        spoken = {row.id: row for row in read_rows(speech.with_suffix(".jsonl"), Spoken)}
        for dialogue in read_rows(path, Dialogue):
            sound = spoken.get(dialogue.id)
            if dialogue.role not in roles or sound is None or sound.dropped:
                continue
            for number, (said, heard) in enumerate(
                zip(dialogue.turns, sound.turns, strict=True), 1
            ):
                for who, text, file in (
                    ("user", said.user, heard.user_audio),
                    ("role", said.role, heard.role_audio),
                ):
                    shutil.copy(speech / file, folder / file)
                    rows.append(
                        {
                            **{"file_name": file, "split": split, "role": dialogue.role},
                            **{"language": dialogue.language, "mode": dialogue.mode},
                            **{"dialogue": dialogue.id, "turn": number, "speaker": who},
                            **{"text": text, "voice_mode": sound.voice_mode},
                        }
                    )
    return rows


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("export: say where to: python -m scripts.setup.export FOLDER [ROLE ...]")
    try:
        print(f"{export(Path(sys.argv[1]), sys.argv[2:])} files in {sys.argv[1]}")
    except UserError as error:
        sys.exit(f"export: {error}")

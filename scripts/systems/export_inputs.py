"""Exports what a system is given, for systems that run elsewhere: prompts and the users' speech.

Their answers come back as `released_replies`: in the shape of the authors' outputs, or in a table
with the role, mode, idx and turn that stand here. What the role answers in the reference, in text
or speech, is not exported.
"""

import csv
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from scripts.common.cells import defused
from scripts.common.prompts import read_prompt
from scripts.rows.dialogues import Dialogue, Spoken
from scripts.rows.jsonl import given, read_all, read_rows
from scripts.rows.roles import Profile, Voice
from scripts.systems.respond import PLACES, first_request
from scripts.workflow import stage

COLUMNS = (
    *("role", "mode", "idx", "turn", "language", "user_audio", "user_text", "voice_audio"),
    *("voice_text", "system_prompt", "manner"),
)


def export_inputs(
    test: list[Path],
    spoken: list[Path],
    speech: list[Path],
    profiles: Path,
    voices: Path,
    clips: Path,
    prompt_english: Path,
    prompt_chinese: Path,
    inputs_json: Path,
    inputs_csv: Path,
    audio: Path,
    sets: int,
) -> None:
    """Write an item a test dialogue (json) and a row a user's utterance (csv), and copy their audio
    into `audio`: paths are relative to the folder of the two files.

    `system_prompt` says who the role is and `manner` how to answer, as respond says them. Of the
    `sets` of reference speech, which have the same inputs, only the first is exported; dialogues
    that were not spoken are left out, with a message.
    """
    files = {"English": prompt_english, "Chinese": prompt_chinese}
    prompts = {
        language: read_prompt(file, set(), PLACES, ("Role", "Answer"))
        for language, file in files.items()
    }
    people = {row.role: row for row in read_rows(profiles, Profile)}
    reference = {row.role: row for row in read_rows(voices, Voice)}
    folders = dict(zip(test, speech, strict=True))
    heard = {row.id: row for row in read_all(spoken, Spoken)}
    found = [(path, row) for path in test for row in read_rows(path, Dialogue)]
    counts = Counter((row.role, row.mode) for _, row in found)
    audio.mkdir(parents=True, exist_ok=True)
    items = []
    for path, row in sorted(found, key=lambda one: (one[1].role, one[1].mode, given(one[1].idx))):
        said = heard.get(row.id)
        if given(row.idx) >= counts[row.role, row.mode] // sets:
            continue
        if said is None or said.dropped or row.role not in people or row.role not in reference:
            print(f"left out: {row.role}, {row.mode} {row.idx}, as nobody can be given it.")
            continue
        voice = reference[row.role]
        request = first_request(
            row, people[row.role], prompts[row.language], np.zeros(0, np.float32), voice.text
        )
        turns = [
            {
                "turn": number,
                "user_audio": _copied(folders[path] / turn.user_audio, audio),
                "user_text": words.user,
            }
            for number, (turn, words) in enumerate(zip(said.turns, row.turns, strict=True), 1)
        ]
        items.append(
            {name: getattr(row, name) for name in ("role", "mode", "idx", "language")}
            | {"voice_audio": _copied(clips / voice.file, audio), "voice_text": voice.text}
            | {"system_prompt": request.role_prompt, "manner": request.manner, "turns": turns}
        )
    text = json.dumps(items, ensure_ascii=False, indent=1)
    inputs_json.write_text(text + "\n", encoding="utf-8")
    with inputs_csv.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(_rows(items))


def _copied(file: Path, folder: Path) -> str:
    """Copy a file once; returns its path beside the two files."""
    if not (folder / file.name).exists():
        shutil.copyfile(file, folder / file.name)
    return f"audio/{file.name}"


def _rows(items: list[dict[str, Any]]) -> list[dict[str, str]]:
    """A row a user's utterance."""
    rows = []
    for item in items:
        for turn in item["turns"]:
            row = {name: {**item, **turn}[name] for name in COLUMNS}
            rows.append({name: defused(str(value)) for name, value in row.items()})
    return rows


if __name__ == "__main__":
    stage.run(export_inputs, globals().get("snakemake"))

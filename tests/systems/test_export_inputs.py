"""What a system that runs elsewhere is given: the same as respond gives."""

from __future__ import annotations

import csv
import json

import numpy as np

from scripts.common import audio
from scripts.systems.export_inputs import COLUMNS, export_inputs
from tests import rows as made
from tests.rows import written

PROMPT = "# Role\nYou are {name}. {profile} {context}\n# Answer\nBriefly."


def exported(home, sets=1, spoken_dropped=()):
    (home / "out").mkdir()
    dialogues = [
        made.dialogue(
            f"joe-{idx}",
            idx=idx,
            turns=made.exchanges((f"=Who {idx}?", "A secret."), ("And\nthen?", "A secret.")),
            context="JOE: The flight.",
        )
        for idx in range(2 * sets)
    ]
    heard = []
    for row in dialogues:
        files = [f"{row.id}_{n}_user.wav" for n in (1, 2)]
        for number, file in enumerate(files):
            (home / "speech").mkdir(exist_ok=True)
            audio.write(home / "speech" / file, np.full(800, 0.1 + number / 10, np.float32), 8000)
        turns = [made.spoken_turn(user=file, role="secret.wav") for file in files]
        reason = "no voice" if row.id in spoken_dropped else None
        heard.append(made.spoken(row.id, [] if reason else turns, dropped=reason))
    (home / "clips").mkdir()
    audio.write(home / "clips/joe.flac", np.zeros(1600, np.float32))
    (home / "prompt.md").write_text(PROMPT)
    outputs = home / "out/inputs.json", home / "out/inputs.csv", home / "out/audio"
    export_inputs(
        [written(home / "test.jsonl", dialogues)],
        [written(home / "spoken.jsonl", heard)],
        [home / "speech"],
        written(home / "profiles.jsonl", [made.profile(profile="A pilot.")]),
        written(home / "voices.jsonl", [made.voice()]),
        home / "clips",
        home / "prompt.md",
        home / "prompt.md",
        *outputs,
        sets=sets,
    )
    with outputs[1].open(encoding="utf-8", newline="") as file:
        return json.loads(outputs[0].read_text("utf-8")), list(csv.DictReader(file)), outputs[2]


def test_prompts_and_users_speech_are_exported_and_no_answer(tmp_path):
    items, rows, folder = exported(tmp_path)
    assert [(item["role"], item["mode"], item["idx"]) for item in items] == [
        *(("joe", "multi", 0), ("joe", "multi", 1)),
    ]
    item = items[0]
    assert item["system_prompt"] == "You are Joe. A pilot. JOE: The flight."
    assert (item["manner"], item["voice_text"]) == ("Briefly.", "Relax.")
    assert [turn["turn"] for turn in item["turns"]] == [1, 2]
    for turn in item["turns"]:
        source = tmp_path / "speech" / f"joe-0_{turn['turn']}_user.wav"
        assert (folder.parent / turn["user_audio"]).read_bytes() == source.read_bytes()
    assert (folder.parent / item["voice_audio"]).read_bytes()
    assert [tuple(row) for row in rows] == [COLUMNS] * 4
    assert [(row["idx"], row["turn"]) for row in rows] == [
        *(("0", "1"), ("0", "2")),
        *(("1", "1"), ("1", "2")),
    ]
    assert rows[0]["user_text"] == "'=Who 0?" and rows[1]["user_text"] == "And\nthen?"
    assert not [path for path in folder.iterdir() if "secret" in path.name]
    assert "secret" not in json.dumps(items).lower()


def test_sets_of_references_have_the_same_inputs_once(tmp_path):
    items, _, _ = exported(tmp_path, sets=3)
    assert [item["idx"] for item in items] == [0, 1]


def test_what_was_not_spoken_is_left_out_with_a_message(tmp_path, capsys):
    items, _, _ = exported(tmp_path, spoken_dropped={"joe-1"})
    assert [item["idx"] for item in items] == [0]
    assert "left out: joe, multi 1" in capsys.readouterr().out

"""Speech that may not be redistributed is refused, and the rest is in a layout that others load."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scripts.common import audio
from scripts.common.errors import UserError
from scripts.rows.jsonl import write_rows
from scripts.setup.export import export
from tests import rows as made


@pytest.fixture
def results(tmp_path):
    """A run with a test dialogue of each of two roles; one's medium may be redistributed."""
    home = tmp_path / "results"
    speech = home / "dialogues/speech/test/1-of-1"
    for folder in (home / "roles", home / "dialogues/test", speech):
        folder.mkdir(parents=True)
    dialogues, spoken, voices = [], [], []
    for role, free in (("joe", True), ("star", False)):
        turns = made.exchanges(("Who are you?", f"I am {role}."))
        dialogues.append(made.dialogue(f"d-{role}", role, turns=turns, idx=1))
        files = [f"d-{role}_1_{who}.flac" for who in ("user", "role")]
        for file in files:
            audio.write(speech / file, np.zeros(1600, np.float32))
        spoken.append(made.spoken(f"d-{role}", [made.spoken_turn(*files)], role))
        voices.append(made.voice(role, redistribute=free))
    write_rows(home / "dialogues/test/1-of-1.jsonl", dialogues)
    write_rows(speech.with_suffix(".jsonl"), spoken)
    write_rows(home / "roles/voices.jsonl", voices)
    return home


def test_a_role_of_a_medium_that_may_not_be_passed_on_is_refused(results, tmp_path):
    for roles in ([], ["joe", "star"]):
        with pytest.raises(UserError, match="the clips of star are of media that may not"):
            export(tmp_path / "out", roles, results)
    assert not (tmp_path / "out").exists()


def test_the_others_are_packed_with_a_row_a_file(results, tmp_path):
    assert export(tmp_path / "out", ["joe"], results) == 2
    rows = [json.loads(line) for line in (tmp_path / "out/metadata.jsonl").open(encoding="utf-8")]
    assert [(row["speaker"], row["text"]) for row in rows] == [
        ("user", "Who are you?"),
        ("role", "I am joe."),
    ]
    assert {path.name for path in (tmp_path / "out").glob("*.flac")} == {
        row["file_name"] for row in rows
    }


def test_an_unknown_role_and_a_folder_in_use_are_told(results, tmp_path):
    with pytest.raises(UserError, match="called 'jo'; did you mean 'joe'"):
        export(tmp_path / "out", ["jo"], results)
    with pytest.raises(UserError, match="holds something already"):
        export(results, ["joe"], results)

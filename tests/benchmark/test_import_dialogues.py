"""The released dialogues become the rows that split and speak write, whatever their layout."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from scripts.benchmark.import_dialogues import import_dialogues
from scripts.rows.dialogues import Dialogue, Spoken
from scripts.rows.jsonl import read_rows
from tests.benchmark.release import CAST, CHINESE, FORMS, NAMES, make, rows


def imported(home, folders, sets=(1,), most=None):
    """The rows, and the folder of the speech."""
    home.mkdir(parents=True, exist_ok=True)
    outputs = home / "test.jsonl", home / "spoken.jsonl", home / "speech"
    import_dialogues(
        *outputs,
        roles=rows(),
        names=NAMES,
        folders={"scripts": None} | folders.config,
        sets=list(sets),
        most=most,
        task_types={"reasoning and motivation": "Reasoning and Motivation"},
    )
    return read_rows(outputs[0], Dialogue), read_rows(outputs[1], Spoken), outputs[2]


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    home = tmp_path_factory.mktemp("release")
    folders = make(home / "made")
    return folders, *imported(home / "run", folders)


def test_every_dialogue_is_a_test_dialogue_of_its_role(released):
    _, test, spoken, _ = released
    assert {row.role for row in test} == set(CAST) and len(test) == 4 * 4
    assert {row.language for row in test if row.role in CHINESE} == {"Chinese"}
    for role in CAST:
        for mode, turns in (("single", 1), ("multi", 3)):
            own = [row for row in test if (row.role, row.mode) == (role, mode)]
            assert [row.idx for row in own] == [0, 1]
            assert {len(row.turns) for row in own} == {turns}
    assert {row.pool for row in test if row.role == "liyunlong"} == {"out_of_domain"}
    assert all(row.context.startswith(("Mater:", "Stanley", "胡桃", "李云龙")) for row in test)
    assert {row.subtask for row in test} == {"Reasoning and Motivation"}
    assert [row.id for row in spoken] == [row.id for row in test]
    assert len({row.id for row in test}) == len(test)


def test_speech_is_what_the_json_names_unchanged(released):
    """Rates and formats differ; names of files do not hold the number of the dialogue."""
    folders, test, spoken, speech = released
    where = {row.id: row for row in spoken}
    for row in test:
        item = folders.released().items(row.role, row.mode, (1,))[row.idx]
        for turn, said in zip(item.turns, where[row.id].turns, strict=True):
            assert (speech / said.user_audio).read_bytes() == turn.user_speech.file.read_bytes()
            assert (speech / said.role_audio).read_bytes() == turn.references[1].file.read_bytes()
            info = soundfile.info(speech / said.role_audio)
            assert said.role_seconds == pytest.approx(info.duration, abs=0.001)
    assert len({soundfile.info(path).samplerate for path in speech.iterdir()}) > 4
    assert not [row for row in spoken if row.flags or row.dropped]


@pytest.mark.parametrize("form", FORMS[1:])
def test_the_hubs_names_and_base64_give_the_same_rows_and_sound(form, released, tmp_path):
    _, test, spoken, speech = released
    others = imported(tmp_path / "run", make(tmp_path / "made", form))
    assert others[:2] == (test, spoken)
    for path in speech.iterdir():
        assert (others[2] / path.name).read_bytes() == path.read_bytes()


def test_another_reference_is_other_speech_of_the_same_dialogue(released, tmp_path):
    folders, test, spoken, speech = released
    other, heard, folder = imported(tmp_path, folders, sets=(2,))
    assert [row.turns for row in other] == [row.turns for row in test]
    for one, two in zip(spoken, heard, strict=True):
        first, second = speech / one.turns[0].role_audio, folder / two.turns[0].role_audio
        assert first.read_bytes() != second.read_bytes()
        users = speech / one.turns[0].user_audio, folder / two.turns[0].user_audio
        assert np.array_equal(*(soundfile.read(path)[0] for path in users))


def test_all_references_are_items_of_their_own(released, tmp_path):
    folders, test, _, _ = released
    every, _, _ = imported(tmp_path, folders, sets=(1, 2, 3))
    own = [row for row in every if (row.role, row.mode) == ("hutao", "multi")]
    assert [row.idx for row in own] == list(range(6)) and len(every) == 3 * len(test)
    assert [row for row in every if row.idx < 2] == test
    assert own[0].turns == own[2].turns == own[4].turns != own[1].turns


def test_a_smoke_run_has_the_first_dialogues_of_each_role(released, tmp_path):
    folders, test, _, _ = released
    few, _, _ = imported(tmp_path, folders, most=1)
    assert few == [row for row in test if row.idx == 0]


def test_audio_of_another_length_than_its_text_is_kept_and_flagged(tmp_path):
    """The release's synthesis kept only the beginning of long lines."""
    folders = make(tmp_path / "made")
    long = "So it goes on and on, as the tide does, and nobody ever asked it to stop. " * 9
    folders.edit("Mater", lambda items: items[1]["dialogue"][0].update(role=long))
    test, spoken, _ = imported(tmp_path / "run", folders)
    (row,) = [row for row in spoken if row.flags]
    assert {one.id: one for one in test}[row.id].turns[0].role == long.strip()
    assert row.flags[0].startswith("turn 1, role, set 1 (1_Mater_0_")
    assert row.flags[0].endswith(f"s of audio for {len(long.strip())} characters")

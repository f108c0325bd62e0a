"""A benchmark is checked before the first job: each fault by a sentence, and nothing left out."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.benchmark.checks import LISTED, check, listed
from scripts.benchmark.items import Speech, odd_length
from scripts.benchmark.layout import cast, located
from scripts.common.errors import UserError
from tests.benchmark.release import CAST, NAMES, ROWS, Folders, make, rows

PRINTED = Counter({"English": 328, "Chinese": 64})
TASKS = {"reasoning and motivation"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("release"), sets=2)


@pytest.fixture
def folders(made, tmp_path):
    """A copy to break."""
    return Folders(shutil.copytree(made.home, tmp_path / "copy"))


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def checked(folders, sets=(1,), most=None, **others):
    return check(folders.released(**others), rows(), sets, most, TASKS, PRINTED)


def refused(folders, *sentence, **others):
    with pytest.raises(UserError) as caught:
        cast(folders.benchmark, "benchmark", [*ROWS.values()], NAMES)
        checked(folders, **others)
    said = str(caught.value)
    assert all(part in said for part in sentence), said
    assert said.endswith((".", "?")), said


def test_a_sound_benchmark_is_counted_by_language_beside_the_release(made):
    counted, archive = checked(made)
    assert (
        "16 dialogues (Chinese 8, English 8) of 4 roles are scored, where the release has 392"
        in (counted)
    )
    assert "(Chinese 64, English 328): do not compare them with printed scores" in counted
    assert archive.startswith("8 files of macOS's archives are passed over")
    assert "8 dialogues (Chinese 4, English 4)" in checked(made, most=1)[0]


def test_as_many_as_released_are_so(made):
    counts = Counter({"English": 8, "Chinese": 8})
    told = check(made.released(), rows(), (1,), None, TASKS, counts)
    assert told[0] == "benchmark: 16 dialogues (Chinese 8, English 8) of 4 roles, as released."


def test_roles_are_found_by_the_names_that_the_paper_prints(made):
    found = cast(made.benchmark, "benchmark", [*ROWS.values()], NAMES)
    assert {row["role"] for row in found} == set(CAST)


def test_a_role_of_ones_own_is_one_of_the_configs_table(folders):
    own = ROWS["Mater"] | {"role": "tug boat", "name": "Tug"}
    for mode in ("single", "multi"):
        folders.json("Mater", mode).rename(folders.json("Mater", mode).with_stem("tug boat"))
    every = [own, *ROWS.values()]
    found = cast(folders.benchmark, "benchmark", every, NAMES | {"tug boat": "tug boat"})
    assert own in found and len(found) == 4
    refused(folders, "is called 'tug boat'", "needs a row in that table")


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda home: shutil.rmtree(home / "test data"), ("does not exist", "single_turn/{role}")),
        (lambda home: shutil.rmtree(home / "test data/multi_turn"), ("has no folder multi_turn",)),
        (
            lambda home: (
                (home / "test data").rename(home / "x")
                and (home / "test data").mkdir()
                or (home / "x").rename(home / "test data/inside")
            ),
            ("has no single_turn and multi_turn in it, but", "inside has; give that folder"),
        ),
        (
            lambda home: shutil.copytree(home / "test data/multi_turn", home / "test data/multi"),
            ("are of one mode; keep one of them",),
        ),
        (
            lambda home: (home / "test data/multi_turn/hutao.json").unlink(),
            ("multi_turn/hutao.json is missing", "single-turn dialogues only", "`only`"),
        ),
        (
            lambda home: shutil.copy(
                home / "test data/single_turn/Mater.json", home / "test data/single_turn/Meter.json"
            ),
            ("Meter.json", "is called 'Meter'; did you mean 'Mater'?"),
        ),
        (
            lambda home: shutil.copy(
                home / "test data/single_turn/liyulong.json",
                home / "test data/single_turn/liyunlong.json",
            ),
            ("liyulong.json and", "are both of role 'liyunlong'; keep one"),
        ),
        (
            lambda home: (home / "test data/single_turn/Mater.json.gz").write_bytes(b"x"),
            ("Mater.json.gz is packed",),
        ),
        (
            lambda home: (home / "role_voices/Mater.wav").write_bytes(b"RIFF"),
            ("Mater.wav does not open as audio", "copy it again"),
        ),
        (
            lambda home: (home / "role_voices/hutao.wav").unlink(),
            ("has no file hutao.wav; copy it there, or leave", "has 4 others, as Mater.wav"),
        ),
        (
            lambda home: (home / "role_voices/hutao.wav").rename(home / "role_voices/hutao_.wav"),
            ("has no file hutao.wav", "did you mean 'hutao_.wav'?"),
        ),
        (
            lambda home: (home / "role_voices/hutao.wav").write_bytes(POINTER),
            ("hutao.wav does not open as audio (a pointer of Git LFS); fetch", "`git lfs pull`"),
        ),
        (
            lambda home: (home / "test data/multi_turn/hutao.json").write_bytes(POINTER),
            ("hutao.json is a pointer of Git LFS", "`git lfs pull`"),
        ),
        (
            lambda home: (home / "role_profiles/hutao_profile.txt").write_text(" \n"),
            ("hutao_profile.txt is empty; copy it again",),
        ),
        (
            lambda home: (home / "role_profiles/hutao_profile.txt").unlink(),
            ("profiles: ", "has no file hutao_profile.txt"),
        ),
        (
            lambda home: (home / "role_voices/audios_text.json").write_text('{"hutao": '),
            ("audios_text.json is not whole JSON",),
        ),
        (
            lambda home: (home / "role_voices/audios_text.json").unlink(),
            ("audios_text.json does not exist; it is released beside the clips",),
        ),
        (
            lambda home: (home / "role_voices/audios_text.json").write_text("[]"),
            ("audios_text.json must be an object",),
        ),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(change, sentence, folders):
    change(folders.home)
    refused(folders, *sentence)


def turn(items):
    return items[1]["dialogue"][0]


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda items: {}, ("Mater.json: a list with at least one dialogue is expected",)),
        (lambda items: [], ("Mater.json: a list with at least one dialogue is expected",)),
        (lambda items: [items[0], 7], ("Mater.json, dialogue 2: not a released dialogue",)),
        (lambda items: items[1].pop("dialogue") and None, ("dialogue 2", "Field required")),
        (
            lambda items: items[1].update(dialogue=[["Hello?", "Hi."]]),
            ("dialogue 2", "(dialogue.0: Input should be a valid dictionary);"),
        ),
        (lambda items: items[1].update(dialogue=[]), ("dialogue 2: it has no turn",)),
        (lambda items: turn(items).pop("role") and None, ("dialogue.0.role: Field required",)),
        (lambda items: turn(items).update(user=" "), ("dialogue.0.user",)),
        (
            lambda items: turn(items).pop("user_speech_path") and None,
            ("dialogue 2, turn 1: it has no user_speech_path, so there is nothing to hear",),
        ),
        (
            lambda items: turn(items).update(role_speech_path=None, role_speech_path2=None),
            ("dialogue 2, turn 1: it has no role_speech_path",),
        ),
        (
            lambda items: turn(items).update(role_speech_path=7),
            ("role_speech_path must be text",),
        ),
        (
            lambda items: turn(items).update(role_speech_path1="b.wav"),
            ("role_speech_path1 differs from the one without a number; keep one",),
        ),
        (
            lambda items: turn(items).update(user_speech_path="/other/nowhere.wav"),
            ("turn 1: '/other/nowhere.wav' is not in", "copy the speech beside its JSON"),
        ),
        (
            lambda items: turn(items).update(user_speech_path="", user_speech_base64="?"),
            ("user_speech_base64 is not base64",),
        ),
        (
            lambda items: turn(items).update(user_speech_path="", user_speech_base64="UklGRg=="),
            ("dialogue 2, turn 1: the base64 does not open as audio",),
        ),
    ],
)
def test_a_document_that_is_not_whole_is_refused_by_file_and_place(change, sentence, folders):
    folders.edit("Mater", change)
    refused(folders, *sentence)


def test_half_a_document_is_refused(folders):
    path = folders.json("hutao", "multi")
    path.write_text(path.read_text("utf-8")[:-100], "utf-8")
    refused(folders, f"{path} is not whole JSON", "copy it again")
    path.write_text('[{"dialogue": [], "dialogue": []}]')
    refused(folders, "'dialogue' is there twice in one object")


@pytest.mark.parametrize("data, sentence", [(b"", "does not open"), (b"RIFF....", "does not open")])
def test_audio_that_does_not_open_is_refused(data, sentence, folders):
    (path, *_) = (folders.benchmark / "multi_turn_speech/hutao").iterdir()
    path.write_bytes(data)
    which = 1 if "role2" not in path.name else 2
    refused(folders, path.name, sentence, "copy it again", sets=(which,))


def test_a_set_of_references_that_is_not_there_is_refused(made):
    refused(made, "there is no set 3 of reference speech, only 1 and 2; change", sets=(1, 2, 3))


def test_without_profiles_and_prompts_nobody_knows_the_role(folders):
    for mode in ("single", "multi"):
        folders.edit(
            "Mater", lambda items: [i.update(system_prompt="") for i in items] and None, mode
        )
    with pytest.raises(UserError, match="no system_prompt says who role 'Mater' is; give"):
        folders.released(profiles=None).profile(ROWS["Mater"])
    refused(folders, "no system_prompt says who role 'Mater' is; give", profiles=None)


def test_a_profile_or_a_prompt_about_somebody_else_is_told_with_its_beginning(folders):
    """As the release's Raylan Givens, who is Blair Waldorf in its multi-turn dialogues."""
    other = "You are Blair Waldorf from Gossip Girl.\n[Character script]\nBLAIR: Headbands."
    folders.edit("Mater", lambda items: items[0].update(system_prompt=other), "multi")
    told = checked(folders)[2:]
    assert len(told) == 1
    assert told[0].startswith(f"{folders.json('Mater', 'multi')}, dialogue 1 never")
    assert "names 'Mater'" in told[0] and "begins: You are Blair Waldorf" in told[0]
    assert "kept as released; leave the role out by the config's `only`" in told[0]
    path = folders.home / "role_profiles/hutao_profile.txt"
    path.write_text("You are Blair Waldorf.", "utf-8")
    assert [text for text in checked(folders) if text.startswith(f"{path} never names '胡桃'")]


def test_audio_of_another_length_than_its_text_is_told(folders):
    folders.edit("Mater", lambda items: turn(items).update(user="Yes, " * 60))
    (told,) = checked(folders)[2:]
    assert "Mater.json, dialogue 2, turn 1, user (1_Mater_0_" in told
    assert "s of audio for 299 characters" in told and "hear it" in told


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda x, path: soundfile.write(path, 0 * x, 16_000), "the audio is silent throughout"),
        (lambda x, path: path.write_bytes(path.read_bytes()[:-2]), "the last 2 bytes of the audio"),
        (
            lambda x, path: soundfile.write(path, x[:100], 16_000),
            "0.0 s of audio for 40 characters",
        ),
    ],
)
def test_a_voice_that_is_not_its_text_is_told(change, sentence, folders):
    path = folders.home / "role_voices/Mater.wav"
    soundfile.write(path, soundfile.read(path)[0], 16_000)
    change(soundfile.read(path)[0], path)
    (told,) = checked(folders)[2:]
    assert f"voices: {path}: {sentence}" in told


def test_audio_whose_length_its_writer_did_not_know_is_whole(folders):
    """As a service writes it that streams."""
    path = folders.home / "role_voices/Mater.wav"
    soundfile.write(path, soundfile.read(path)[0], 16_000)
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    for unknown in (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"):
        data[at : at + 4] = unknown
        assert Speech("voices", None, bytes(data)).fault() is None


def test_samples_that_are_no_numbers_are_refused(folders):
    path = folders.home / "role_voices/Mater.wav"
    wave = np.full(64_000, 0.1, "float32")
    wave[-1] = np.nan
    soundfile.write(path, wave, 16_000, subtype="FLOAT")
    refused(folders, f"voices: {path} has samples that are no numbers; copy it again")


def test_one_file_for_the_user_and_the_role_is_told(folders):
    folders.edit(
        "Mater", lambda items: turn(items).update(role_speech_path=turn(items)["user_speech_path"])
    )
    (told,) = checked(folders)[2:]
    assert "turn 1, role, set 1 (" in told and "this is also the user's speech" in told


def test_a_dialogue_without_a_system_prompt_is_told(folders):
    folders.edit("Mater", lambda items: items[0].update(system_prompt=None))
    assert len(checked(folders)) == 2  # there is a file of the profile
    (told,) = checked(folders, profiles=None)[2:]
    assert "Mater.json, dialogue 1 (it has no system_prompt; the role's profile is from" in told
    profile = folders.released(profiles=None).profile(ROWS["Mater"])
    assert profile.profile.startswith("I want you to act like Mater")


def test_several_profiles_of_a_role_are_told(folders):
    other = "You are Mater, but another one.\n[Character script]\nMATER: Ho."
    folders.edit("Mater", lambda items: items[1].update(system_prompt=other), "multi")
    assert len(checked(folders)) == 2  # there is a file of the profile
    (told,) = checked(folders, profiles=None)[2:]
    assert told.startswith("role 'Mater': 2 different profiles (in its system prompts; the first")


def test_endings_of_files_may_be_in_capitals(folders):
    path = folders.home / "role_voices/Mater.wav"
    path.rename(path.with_suffix(".WAV"))
    assert len(checked(folders)) == 2


def test_what_is_not_as_its_folder_says_is_told(folders):
    folders.edit("Mater", lambda items: items[0].update(category="small talk"))
    (told,) = checked(folders)[2:]
    assert "category 'small talk' of 1 dialogues (no sub-task of Figure 4" in told
    folders.edit("Mater", lambda items: items[0]["dialogue"].append(items[0]["dialogue"][0]))
    assert [text for text in checked(folders) if "not one turn in single_turn" in text]


def test_lengths_that_speech_can_have():
    assert odd_length("Where have you been?", 1.5) is None
    assert odd_length("我去了很远的地方。", 2) is None
    assert odd_length("Yes.", 30) and odd_length("我去了很远的地方" * 20, 2)
    assert odd_length("word " * 200, 20) == "20.0 s of audio for 1000 characters"


def test_many_sentences_of_a_kind_are_counted_rather_than_told():
    told = listed([str(number) for number in range(LISTED + 5)], "so it is")
    assert len(told) == LISTED + 1 and told[-1] == "... and 5 more like it."


def test_paths_are_taken_from_the_json_whatever_machine_they_were_true_on(folders):
    """Backslashes, a folder above, a path from the root, and accents as a Mac writes them."""
    (path, *_) = sorted((folders.benchmark / "single_turn_speech/Mater").glob("*user.wav"))
    moved = folders.benchmark / "single_turn_speech/Mater/cafe\u0301.wav"
    path.rename(moved)
    for said in (
        "D:\\data\\test_data\\single_turn_speech\\Mater\\caf\u00e9.wav",
        "../test_data/single_turn_speech/Mater/caf\u00e9.wav",
        str(moved),
    ):
        document = json.loads(folders.json("Mater").read_text("utf-8"))
        document[0]["dialogue"][0]["user_speech_path"] = said
        folders.json("Mater").write_text(json.dumps(document), "utf-8")
        (item, _) = folders.released().items("Mater", "single", (1,))
        assert item.turns[0].user_speech.file == moved


PARTS = st.lists(st.sampled_from(["data", "a b", "x", "..", "é", "single_turn_speech"]), max_size=4)


@given(before=PARTS, inside=PARTS, separator=st.sampled_from("/\\"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_longest_end_of_a_path_that_leads_to_a_file_is_taken(
    before, inside, separator, tmp_path
):
    """And never a file outside of the places."""
    own = [part for part in inside if part != ".."]
    file = tmp_path.joinpath("place", *own, "one.wav")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    said = separator.join([*before, *inside, "one.wav"])
    found = located(said, [tmp_path / "place"])
    assert found and found.is_relative_to(tmp_path / "place") and found.name == "one.wav"
    whole = [part for part in (*before, *inside) if part != ".."]
    tails = [tmp_path.joinpath("place", *whole[n:], "one.wav") for n in range(len(whole) + 1)]
    assert found == next(path for path in tails if path.is_file())
    assert located(said.replace("one", "two"), [tmp_path / "place"]) is None

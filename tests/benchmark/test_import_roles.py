"""Released voices and profiles become the rows that choose_voices and profile write."""

from __future__ import annotations

import pytest
import soundfile

from scripts.benchmark.import_roles import import_roles
from scripts.common.errors import UserError
from scripts.rows.jsonl import read_rows
from scripts.rows.roles import Profile, Voice
from tests.benchmark.release import CAST, NAMES, make, rows


def imported(home, folders, **others):
    """The rows by role, and the folder of the clips."""
    outputs = home / "profiles.jsonl", home / "voices.jsonl", home / "clips"
    given = {"scripts": None} | folders.config | others
    import_roles(*outputs, roles=rows(), names=NAMES, folders=given)
    people, voices = read_rows(outputs[0], Profile), read_rows(outputs[1], Voice)
    return {row.role: row for row in people}, {row.role: row for row in voices}, outputs[2]


def test_a_voice_is_its_clip_and_what_is_said_in_it(tmp_path):
    folders = make(tmp_path / "made", sets=1)
    people, voices, clips = imported(tmp_path, folders)
    assert set(people) == set(voices) == set(CAST)
    for role, name in CAST.items():
        row, clip = voices[role], folders.home / f"role_voices/{name}.wav"
        assert row.text == f"This is {name} speaking, and nobody else."
        assert (clips / row.file).read_bytes() == clip.read_bytes()
        assert row.end == pytest.approx(soundfile.info(clip).duration, abs=0.001)


def test_a_profile_is_the_roles_file_or_what_the_system_prompt_begins_with(tmp_path):
    folders = make(tmp_path / "made", sets=1)
    people, _, _ = imported(tmp_path, folders)
    person = people["liyunlong"]
    assert person.profile.endswith("A friend of gulls.") and person.name == "李云龙"
    assert (person.language, person.pool) == ("Chinese", "out_of_domain")
    assert person.lines[0] == "The sea is calm today, number 0."
    bare, _, _ = imported(tmp_path, folders, profiles=None)
    assert bare["Mater"].profile.startswith("I want you to act like Mater.")
    assert "[Character script]" not in bare["Mater"].profile
    assert not [row for row in (*people.values(), *bare.values()) if row.flags]


def test_lines_are_the_scripts_where_there_is_one(tmp_path):
    folders = make(tmp_path / "made", sets=1)
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for name in CAST.values():
        (scripts / f"{name}_scripts.txt").write_text("MATER: Dad gum!\n\n胡桃：哎呀。\n", "utf-8")
    people, _, _ = imported(tmp_path, folders, scripts=str(scripts))
    assert people["Mater"].lines == ["Dad gum!"] and people["hutao"].lines == ["哎呀。"]
    assert people["Mater"].excerpts == ["MATER: Dad gum!", "胡桃：哎呀。"]


def test_a_profile_of_somebody_else_is_flagged(tmp_path):
    """The release has such a role, and its printed scores are with it."""
    folders = make(tmp_path / "made", sets=1)
    (folders.home / "role_profiles/Mater_profile.txt").write_text("You are Blair Waldorf.", "utf-8")
    people, _, _ = imported(tmp_path, folders)
    (flag,) = people["Mater"].flags
    assert flag.startswith("never names 'Mater', so it seems to be about somebody else")
    assert flag.endswith("You are Blair Waldorf.") and not people["hutao"].flags


def test_files_of_roles_that_are_missing_are_named(tmp_path):
    folders = make(tmp_path / "made", sets=1)
    with pytest.raises(UserError, match="needs the folder of its reference voices"):
        imported(tmp_path, folders, voices=None)
    (folders.home / "role_voices/hutao.wav").rename(folders.home / "role_voices/hutau.wav")
    with pytest.raises(UserError, match=r"has no file hutao.wav; did you mean 'hutau.wav'\?"):
        imported(tmp_path, folders)
    (folders.home / "role_voices/hutau.wav").rename(folders.home / "role_voices/hutao.wav")
    (folders.home / "role_voices/audios_text.json").write_text("{}")
    with pytest.raises(UserError, match="audios_text.json does not say what the clip of role"):
        imported(tmp_path, folders)

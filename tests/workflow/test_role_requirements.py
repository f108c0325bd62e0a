"""Roles without a voice, a script or a profile are counted and named before a run."""

from __future__ import annotations

import pytest

from scripts.roles import profile
from scripts.workflow.requirements import Work
from scripts.workflow.role_requirements import NAMED, NO_PROFILE, roles_lacking
from tests import rows


def role(name: str, work: str = "A Film", script: str = "", own: str = "") -> dict[str, str]:
    return {"role": name, "work": work, "pool": "train", "script": script, "profile": own}


def medium(location: str, work: str = "A Film") -> dict[str, str]:
    return {"media": location, "work": work, "location": location}


def told(rules, played, media=(), **more) -> list[str]:
    found = roles_lacking([Work(rule, {}, {}) for rule in rules], played, list(media), **more)
    assert {one.kind for one in found} <= {"role"} and not any(one.blocking for one in found)
    return [one.text for one in found]


def test_roles_of_works_without_a_medium_lack_all_that_no_file_gives(tmp_path):
    film = tmp_path / "film.mkv"
    film.write_bytes(b"film")
    media = [medium(str(film)), medium("gone.mkv", "B"), medium("deb:game/TALK", "C")]
    played = [role("ann"), role("bob", "B"), role("cat", "C"), role("dan", "B", script="s.txt")]
    played += [role("eve", "D"), role("fay", "B", "s.txt", "p.txt")]
    assert told(["fetch", "choose_voices"], played, media) == [
        "2 of 6 roles have no voice and no script and no profile, as no medium of their work is "
        "there: bob, eve",
        "1 of 6 roles have no voice and no profile, as no medium of their work is there: dan",
        "1 of 6 roles have no voice, as no medium of their work is there: fay",
    ]


def test_many_roles_are_counted_and_some_named():
    (text,) = told(["choose_voices"], [role(f"r{n}") for n in range(NAMED + 5)])
    assert text.startswith("15 of 15 roles") and text.endswith("r9 and 5 more")


def test_once_voices_and_profiles_are_made_their_rows_tell(tmp_path):
    rows.written(tmp_path / "voices.jsonl", [rows.voice("ann"), rows.voice("bob")])
    played = [role("ann"), role("bob"), role("cat")]
    flag = f"{NO_PROFILE} (it refused): the lines stand for it"
    people = [rows.profile("ann", flags=[flag], lines=["Hey."]), rows.profile("bob")]
    rows.written(tmp_path / "profiles.jsonl", people)
    refused = [rows.refused_voice("cat", "nobody has decided who this is")]
    rows.written(tmp_path / "voices_refused.jsonl", refused)
    voice = "1 of 3 roles have no voice (nobody has decided who this is): cat"
    assert told(["write"], played, folder=tmp_path) == [
        voice,
        "1 of 3 roles have no script: nothing of theirs is known: bob",
        "1 of 3 roles have no profile but their lines: the model wrote none: ann",
    ]
    assert told(["profile", "write"], played, folder=tmp_path) == [voice]


@pytest.mark.parametrize("rules", [["table6"], ["fetch", "extract"], ["write"]])
def test_what_does_not_need_roles_or_has_none_yet_says_nothing(rules, tmp_path):
    assert told(rules, [role("ann")], folder=tmp_path) == []


def test_roles_that_have_everything_are_not_told():
    assert told(["choose_voices"], [role("ann")], [medium("synth:a.yaml")]) == []


def test_the_flag_is_the_one_that_the_stage_writes():
    model = type("Silent", (), {"generate": lambda self, chats, max_tokens: [""] * len(chats)})()
    row = rows.profile("ann", lines=["Hey."])
    prompt = type("Prompt", (), {"chat": lambda self, **places: []})()
    profile.describe(model, prompt, [row], 160)
    assert any(flag.startswith(NO_PROFILE) for flag in row.flags)

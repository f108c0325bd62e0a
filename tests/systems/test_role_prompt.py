"""The role prompt files: their two parts, their places, their faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.common.records import Dialogue, Exchange, Profile
from scripts.common.stage import UserError
from scripts.systems.role_prompt import LINES, fill, read_prompt

PROMPTS = Path(__file__).resolve().parents[2] / "config" / "prompts"
JOE = Profile(
    role="joe",
    name="Joe King",
    work="Amazon Queen",
    language="English",
    gender="Male",
    pool="train",
    profile="A pilot for hire.",
    background="Owes money {name}.",
    lines=[f"Line {n}." for n in range(9)],
    excerpts=[],
    origin="a test",
    synthetic=False,
    flags=[],
)
TALK = Dialogue(
    id="d1",
    role="joe",
    mode="single",
    language="English",
    pool="train",
    turns=[Exchange(user="Hi.", role="Hello.")],
    context="In the plane.",
    model="none",
)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_prompts_of_the_project_name_who_the_role_is(language):
    role, manner = read_prompt(PROMPTS / f"respond_{language}.md")
    text = fill(role, JOE, TALK)
    for known in ("Joe King", "Amazon Queen", "A pilot for hire.", "Owes money", "- Line 0."):
        assert known in text
    assert f"Line {LINES}." not in text
    assert "Joe" not in fill(manner, JOE, TALK), "the ablation must not learn who the role is"


def test_words_of_the_role_are_not_taken_for_places():
    assert fill("{profile} {context}", JOE, TALK) == (
        "A pilot for hire.\nOwes money {name}. In the plane."
    )


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("Be {name}.", "# Role"),
        ("# Answer\nBriefly.\n# Role\nBe {name}.", "# Role"),
        ("# Role\nBe {nmae}.\n# Answer\nBriefly.", "did you mean 'name'"),
    ],
)
def test_a_prompt_of_another_form_is_refused(tmp_path, text, sentence):
    path = tmp_path / "prompt.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=sentence) as error:
        read_prompt(path)
    assert str(path) in str(error.value)

"""Replies of language models are read leniently, and what cannot be used says why."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.dialogues.parse import parse, speaks

ONE = '{"dialogue": [{"user": "Why?", "role": "Because."}], "context": "[1]"}'
TWO = '{"dialogue": [{"user": "How?", "role": "Slowly."}], "context": [2]}'
SCRIPT = ["first stretch", "second stretch"]


def read(reply, mode="single", language="English", prompt=""):
    return parse(reply, mode, language, SCRIPT, prompt)


@pytest.mark.parametrize(
    "reply",
    [
        f"[{ONE}, {TWO}]",
        f"```json\n[{ONE}, {TWO},]\n```",
        f"Here you are:\n[{ONE},\n{TWO}]\nI hope this helps!",
        f"{ONE}\n{TWO}",
        f"```\n{ONE}\n```\n```\n{TWO}\n```",
        f"[{ONE}]\n[{TWO}]",
        f"[{ONE}, {TWO}".replace("}]", ",}]"),
        f"[{ONE}, {TWO[:-2]}",
    ],
)
def test_sloppy_json_is_understood(reply):
    found = read(reply)
    assert [dialogue.turns[0].role for dialogue in found] == ["Because.", "Slowly."]
    assert [dialogue.context for dialogue in found] == SCRIPT
    assert not any(dialogue.fault for dialogue in found)


@pytest.mark.parametrize("reply", ["", "I cannot do that.", "[]", "[[[[", "{}", "null", '["a"]'])
def test_a_reply_without_dialogues_has_none(reply):
    assert read(reply) == []


@pytest.mark.parametrize("cut", range(len('[{"dialogue": [{"user": "W'), len(f"[{ONE}]")))
def test_a_reply_cut_short_never_gives_a_cut_line(cut):
    for dialogue in read(f"[{ONE}]"[:cut]):
        whole = [("Why?", "Because.")]
        assert dialogue.fault or [(t.user, t.role) for t in dialogue.turns] == whole


@pytest.mark.parametrize(
    "reply, mode, language, fault",
    [
        ('[{"dialogue": []}]', "single", "English", "0 turns"),
        (f"[{ONE}]", "multi", "English", "has 2 to 4"),
        (f"[{ONE}]", "single", "Chinese", "not Chinese"),
        ('[{"dialogue": [{"user": "Why?", "role": "因为天黑了"}]}]', "single", "English", "not E"),
        ('[{"dialogue": [{"user": "Why?", "role": "?!"}]}]', "single", "English", "not English"),
        ('[{"dialogue": [{"user": "Why?", "role": " "}]}]', "single", "English", "dialogue.0.role"),
        ('[{"dialogue": [{"user": "Why?"}]}]', "single", "English", "dialogue.0.role"),
        ('[{"dialogue": {"user": "Why?"}}]', "single", "English", "not a dialogue"),
        ('[{"dialogue": [{"user": "Me", "role": "Me"}]}]', "single", "English", "same line twice"),
    ],
)
def test_what_is_not_as_asked_says_so(reply, mode, language, fault):
    (dialogue,) = read(reply, mode, language)
    assert fault in dialogue.fault


def test_five_turns_are_refused_and_four_are_not():
    turns = [{"user": f"Why {word}?", "role": f"So {word}."} for word in "abcde"]
    four, five = read(json.dumps([{"dialogue": turns[:4]}, {"dialogue": turns}]), "multi")
    assert four.fault is None and five.fault == "5 turns; a multi-turn dialogue has 2 to 4"


def test_the_example_given_back_is_refused():
    (dialogue,) = read(f"[{ONE}]", prompt='An example: "Why?" "Because."')
    assert "prompt's own" in dialogue.fault


@pytest.mark.parametrize(
    "context, expected",
    [
        ("[2]", SCRIPT[1]),
        ("[9]", "\n\n".join(SCRIPT)),
        ('""', "\n\n".join(SCRIPT)),
        ("null", "\n\n".join(SCRIPT)),
        ('"JOE: I crashed."', "JOE: I crashed."),
        ('["JOE: One.", "JOE: Two."]', "JOE: One. JOE: Two."),
    ],
)
def test_context_is_the_script_named_or_quoted(context, expected):
    reply = f'[{{"dialogue": [{{"user": "Why?", "role": "So."}}], "context": {context}}}]'
    assert read(reply)[0].context == expected


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(reply):
    for dialogue in read("[" + reply):
        assert dialogue.fault or len(dialogue.turns) == 1


def test_words_of_a_line_decide_its_language():
    assert speaks("Hello there, 苏小满", "English") is False
    assert speaks("Ask Lu 陆!", "English") and speaks("Joe King是谁？", "Chinese")
    assert not speaks("What is 船?", "Chinese") and not speaks("你好", "English")
    assert not speaks("123 ...", "English") and not speaks("……", "Chinese")

"""Replies of language models are parsed leniently, and unusable ones come with a reason."""

import json

import pytest
from hypothesis import example, given
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


FORMS = {
    "json": None,
    "curly": "[{{“dialogue”: [{{“user”: “{}”, “role”: “{}”}}]}}]",
    "curly values": '[{{"dialogue": [{{"user": “{}”, "role": “{}”}}], "context": "[1]"}}]',
    "single": "[{{'dialogue': [{{'user': '{}', 'role': '{}'}}]}}]",
    "none": '[{{"dialogue": [{{"user": {}, "role": {}}}]}}]',
    "straight": '[{{"dialogue": [{{"user": "{}", "role": "{}"}}]}}]',
    "corners": "[{{「dialogue」: [{{「user」: 「{}」, 「role」: 「{}」}}]}}]",
}
SIGNS = "abc é老,.:;!?'\"“”‘’「」{}[]-\\n"


@given(
    st.sampled_from(list(FORMS)), st.text(SIGNS, max_size=30), st.text(SIGNS, max_size=30),
    st.sampled_from(["{}", "Well, here: {}", "<think>", "{{}} or [1]: {}", '{{"dialogues": {}}}']),
)  # fmt: skip
@example("straight", "", '",[', "{}")
@example("straight", "", "\",'", "{}")
def test_a_line_in_any_quotes_is_whole_or_told(form, user, role, around):
    if FORMS[form]:  # where a backslash would be an escape
        user, role = user.replace("\\", ""), role.replace("\\", "")
    asked, said = f"Why {user}x?", f"So {role}x."
    reply = json.dumps([{"dialogue": [{"user": asked, "role": said}]}])
    if FORMS[form]:
        reply = FORMS[form].format(asked, said)
    for dialogue in read(around.format(reply) if "{}" in around else reply):
        lines = [(turn.user, turn.role) for turn in dialogue.turns]
        assert dialogue.fault or lines == [(asked, said)]
    if form == "json":
        assert lines == [(asked, said)]


LINES = ["Down by the old pier, friend.", "Well: it's late, isn't it?", "Yes, no, maybe, I'm lost."]


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ("json", "none")])
@pytest.mark.parametrize("line", [*LINES, 'He said "go", and I went.', "'Tis so. ‘Aye’, he said."])
def test_usual_lines_are_whole_in_quotes_of_any_kind(form, line):
    (dialogue,) = read(FORMS[form].format("Where are we going, captain?", line))
    assert (dialogue.fault, dialogue.turns[0].role) == (None, line)


def test_a_line_that_quotes_in_chinese_is_whole():
    line = "他说“走吧”，然后走了。"
    (dialogue,) = read(FORMS["curly"].format("船长，去哪里？", line), language="Chinese")
    assert (dialogue.fault, dialogue.turns[0].role) == (None, line)


def test_emoji_written_as_escapes_are_letters_again():
    turn = {"user": "Who flies?", "role": "I never crash 😂 my friend."}
    reply = json.dumps([{"dialogue": [turn], "context": "Joe: 😂"}])
    assert "\\ud83d" in reply
    (dialogue,) = read(reply)
    assert (dialogue.turns[0].role, dialogue.context) == (turn["role"], "Joe: 😂")
    (dialogue,) = read(reply.replace("\\ude02", ""))
    assert dialogue.turns[0].role == "I never crash  my friend."


@pytest.mark.parametrize(
    "reply",
    [
        f"Sure [as you asked], {{here}} it is: [{ONE}] Enjoy [1]!",
        f'{{"dialogues": [{ONE}]}}',
        f'{{"result": {{"items": [{ONE}]}}, "note": "[2]"}}',
        f"The dialogue: {ONE}",
    ],
)
def test_json_is_taken_wherever_it_stands(reply):
    (dialogue,) = read(reply)
    assert dialogue.fault is None and dialogue.turns[0].role == "Because."


def test_a_line_of_which_nothing_is_said_aloud_is_told():
    (dialogue,) = read('[{"dialogue": [{"user": "Why?", "role": "*shrugs* (sighs)"}]}]')
    assert dialogue.fault == "nothing in it is said aloud: *shrugs* (sighs)"


@pytest.mark.parametrize("reply", ["[" * 4_000, "{" * 4_000, '[{"dialogue":' * 1_500])
def test_a_reply_too_deep_to_read_is_none(reply):
    assert all(dialogue.fault for dialogue in read(reply))


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(reply):
    for dialogue in read("[" + reply):
        assert dialogue.fault or len(dialogue.turns) == 1


def test_words_of_a_line_decide_its_language():
    assert speaks("Hello there, 苏小满", "English") is False
    assert speaks("Ask Lu 陆!", "English") and speaks("Joe King是谁？", "Chinese")
    assert not speaks("What is 船?", "Chinese") and not speaks("你好", "English")
    assert not speaks("123 ...", "English") and not speaks("……", "Chinese")


@pytest.mark.parametrize(
    "reply",
    [
        f"[{ONE}]".replace("dialogue", " Dialogue ").replace("user", "USER"),
        f"[{ONE}]".replace("role", "Role "),
        json.dumps(f"[{ONE}]"),
        json.dumps({"text": f"Here: [{ONE}]"}),
        json.dumps({"result": {"items": [json.loads(ONE)]}}),
        f"[{ONE}]".replace("dialogue", "Dialogue ").replace("}]", "},]"),
    ],
)
def test_names_in_other_letters_and_packed_json_are_understood(reply):
    (found,) = read(reply)
    assert not found.fault and [(t.user, t.role) for t in found.turns] == [("Why?", "Because.")]


@pytest.mark.parametrize("context", ["9" * 5_000, f'"{"9" * 5_000}"', "NaN", "[" * 400 + "]" * 400])
def test_no_context_ends_the_stage(context):
    (found,) = read(f"[{ONE}]".replace('"[1]"', context))
    assert found.fault or (found.turns[0].role == "Because." and "nan" not in found.context)


@pytest.mark.parametrize(
    "reply",
    [
        f"[{ONE}]".replace('"role"', '"role": "Never.", "role"'),
        f"[{ONE}]".replace('"role"', '"Role": "Never.", "role"'),
        f"[{ONE}]".replace("Because", "Be\\q cause"),
        f"[{ONE}]".replace("Because", "Be\\u12 cause"),
    ],
)
def test_a_line_that_is_in_doubt_is_told(reply):
    assert all(dialogue.fault for dialogue in read(reply))


@given(st.text(max_size=60), st.integers(0, 100))
def test_nothing_in_a_reply_ends_the_stage(words, at):
    reply = f"[{ONE}, {TWO}]"
    for dialogue in read(reply[:at] + words + reply[at:]):
        assert dialogue.fault or len(dialogue.turns) == 1

"""Replies are freed of thoughts whatever marks them; JSON is found whatever stands around it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.replies import json_values, requoted, without_thoughts

MARKS = [
    *[("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<Thought>", "</Thought>")],
    *[("<reasoning>", "</reasoning>"), ("<seed:think>", "</seed:think>")],
    *[("<|begin_of_thought|>", "<|end_of_thought|>"), ("[THINK]", "[/THINK]")],
    *[("◁think▷", "◁/think▷"), ("<inner_monologue>", "</inner_monologue>")],
    *[("<|think|>", "<|/think|>"), ("<scratchpad>", "</scratchpad>")],
]
FINAL = "<|end|><|start|>assistant<|channel|>final<|message|>"


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("<think>\nHm.\n</think>\n\nYes.", "Yes."),
        ("Hm. [1, 2]\n</think>\n\nYes.", "Yes."),
        ("Hm.</weighing_it_up>Yes.", "Yes."),
        ("<think>a</think> No. <think>b</think> Yes.", "Yes."),
        ("<think>\nHm, if", ""),
        ("<think>a</think><think>b", ""),
        ("<think></think><answer>Yes.</answer>", "Yes."),
        ("<Response>Yes.</Response>\n", "Yes."),
        (f"<|channel|>analysis<|message|>Hm.{FINAL}Yes.<|return|>", "Yes."),
        (f"<|channel|>analysis<|message|>Hm.{FINAL}", ""),
        ("<|channel|>analysis<|message|>Hm, if", ""),
        ("<|channel|>final <|constrain|>json<|message|>{}", "{}"),
        ("analysisHm. The user wants it.assistantfinalYes.", "Yes."),
        ("analysisHm, if", ""),
        ("Analysis is hard.", "Analysis is hard."),
        ("analysis is hard.", "analysis is hard."),
        ("Yes.", "Yes."),
        (" Yes", " Yes"),
        ("He said <b>no</b> and <i>yes</i> and</s>", "He said <b>no</b> and <i>yes</i> and</s>"),
        ("[thinking] Well ... [1]", "[thinking] Well ... [1]"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("", ""),
    ],
)
def test_the_answer_is_what_comes_behind_the_thoughts(reply, answer):
    assert without_thoughts(reply) == answer


PLAIN = st.text(st.characters(exclude_characters="<>[]◁▷|", exclude_categories=["Cs"]), max_size=60)


@given(PLAIN, PLAIN.map(str.strip), st.sampled_from(MARKS), st.booleans())
def test_any_thought_is_taken_off_with_or_without_its_opening_mark(thought, answer, marks, opened):
    first, last = marks
    reply = f"{first if opened else ''}{thought}{last}\n\n{answer}"
    assert without_thoughts(reply) == answer.lstrip()
    assert without_thoughts(f"{first}{thought}") == ""


@given(st.text(max_size=200))
def test_any_text_is_read_and_the_answer_is_of_the_text(reply):
    assert without_thoughts(reply) in reply
    list(json_values(reply))
    requoted(reply)


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.lists(st.lists(VALUE, max_size=3), max_size=3), PLAIN.filter(lambda t: "{" not in t))
def test_json_is_found_in_whatever_stands_around_it(values, around):
    text = around.join(["", *map(json.dumps, values), ""])
    assert list(json_values(text)) == values


def test_json_too_deep_to_read_is_none():
    assert list(json_values("[" * 4_000)) == []

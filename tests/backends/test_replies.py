"""Thoughts are removed from replies whatever marks them; JSON is found within any text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.backends.replies import json_values, requoted, without_thoughts

MARKS = [
    *[("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<Thought>", "</Thought>")],
    *[("<reasoning>", "</reasoning>"), ("<seed:think>", "</seed:think>")],
    *[("<|begin_of_thought|>", "<|end_of_thought|>"), ("[THINK]", "[/THINK]")],
    *[("◁think▷", "◁/think▷"), ("<inner_monologue>", "</inner_monologue>")],
    *[("<|think|>", "<|/think|>"), ("<scratchpad>", "</scratchpad>")],
    *[
        ("<antThinking>", "</antThinking>"),
        ("< think >", "</ think >"),
        ("＜think＞", "＜/think＞"),
    ],
    *[("<think_start>", "<think_end>"), ("<|START_THINKING|>", "<|END_THINKING|>")],
    *[
        ("<｜begin▁of▁think｜>", "<｜end▁of▁think｜>"),
        ("<思考>", "</思考>"),
        ("<|channel>thought\n", "<channel|>"),
    ],
    *[("<thinking_process>", "</thinking_process>"), ("&lt;think&gt;", "&lt;/think&gt;")],
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
        ("analysis: it is so.", "analysis: it is so."),
        ("【思考】Hm. 【/思考】Yes.", "Yes."),
        ("【思考开始】Hm. 【思考结束】Yes.", "Yes."),
        ("【思考】嗯，我想想。", "【思考】嗯，我想想。"),
        ("（思考：他（船长）会怎么说？）Yes.", "Yes."),
        ("```thinking\nHm. [1]\n```\nYes.", "Yes."),
        ("**Thinking:**\nHm.\n\n**Answer:** Yes.", "Yes."),
        ("### Reasoning\nHm.\n### Final answer\nYes.", "Yes."),
        ("Here is my thought process: hm.\nHere is my response:\nYes.", "Yes."),
        ("思考过程：嗯。\n最终答案：Yes.", "Yes."),
        ("Thought: without an answer below.", "Thought: without an answer below."),
        ('{\n"thought": "Hm.",\n"answer": "Yes."\n}', '{\n"thought": "Hm.",\n"answer": "Yes."\n}'),
        ("<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>", "Yes."),
        ("Yes.<|im_end|>\n<|im_start|>user\nMore?", "Yes."),
        ("Yes.<|eot_id|>", "Yes."),
        (
            "ha</laugh> Yes, <strong>you</strong>, there</a>.",
            "ha</laugh> Yes, <strong>you</strong>, there</a>.",
        ),
        ("The legend of the <friend> ends.", "The legend of the <friend> ends."),
        (" Yes", " Yes"),
        ("He said <b>no</b> and <i>yes</i> and</s>", "He said <b>no</b> and <i>yes</i> and</s>"),
        ("[thinking] Well ... [1]", "[thinking] Well ... [1]"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("", ""),
    ],
)
def test_the_answer_is_what_comes_behind_the_thoughts(reply, answer):
    assert without_thoughts(reply) == answer


PLAIN = st.text(
    st.characters(exclude_characters="<>[]◁▷|｜＜＞&【】`", exclude_categories=["Cs"]), max_size=60
)


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


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "9" * 5_000])
def test_what_is_no_number_is_none(number):
    assert list(json_values(f'{{"a": {number}, "b": 1}}')) == [{"a": None, "b": 1}]


def test_what_one_object_names_twice_is_none():
    assert list(json_values('{"a": 1, "b": 2, "a": 3}')) == [{"a": None, "b": 2}]


def test_json_too_deep_to_read_is_none():
    assert list(json_values("[" * 4_000)) == []

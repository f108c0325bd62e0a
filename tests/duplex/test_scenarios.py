"""Service scenarios: the templates, the rules, multiple choice, overlap, and a language model."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from copy import deepcopy
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import backends
from scripts.backends.llm import NoReply
from scripts.common.errors import UserError
from scripts.common.spoken_text import aloud
from scripts.duplex.circular_choice import orders
from scripts.duplex.scenario_checks import (
    KINDS,
    checked,
    clash,
    fault,
    overlapping,
    particulars,
    read_scenarios,
    stands,
)
from scripts.duplex.scenario_writer import parsed
from scripts.duplex.scenarios import scenarios
from scripts.duplex.service_roles import templated
from scripts.rows.duplex import Choice, Scenario
from scripts.rows.jsonl import read_rows, write_rows
from scripts.services.multiple_choice import letter_in
from scripts.workflow.model_spec import ModelSpec

ROOT = Path(__file__).resolve().parents[2]
DOMAINS, ROLES = (ROOT / f"config/duplex/{name}" for name in ("domains.yaml", "service_roles.tsv"))
PROMPT = ROOT / "config/prompts/duplex_scenario.md"
SHA256 = "6e97b018d591ef703cacc073a881452cae6bf9066eb10251718da5dd4c2c5ed3"
ALL = templated(DOMAINS, ROLES)


def run(folder: Path, **changed) -> list[Scenario]:
    files = {"domains": DOMAINS, "service_roles": ROLES, "prompt": PROMPT}
    out = {"scenarios": folder / "scenarios.jsonl", "card": folder / "card.md"}
    out["choices"] = folder / "choices.jsonl"
    scenarios(**{**files, **out, **changed})
    return read_rows(out["scenarios"], Scenario)


def changed(row: Scenario, index: int, **fields) -> Scenario:
    """A copy of a scenario with another question."""
    row = row.model_copy(deep=True)
    row.questions[index] = row.questions[index].model_copy(update=fields)
    return row


def test_one_command_makes_all_questions_byte_for_byte(tmp_path):
    command = [sys.executable, "-m", "scripts.duplex.scenarios"]
    command += ["--domains", DOMAINS, "--service-roles", ROLES, "--prompt", PROMPT]
    command += ["--scenarios", tmp_path / "a.jsonl", "--card", tmp_path / "a.md"]
    command += ["--choices", tmp_path / "choices.jsonl"]
    for seed in ("1", "2"):
        surroundings = os.environ | {"PYTHONHASHSEED": seed, "LC_ALL": "C", "TZ": "Asia/Tokyo"}
        subprocess.run(command, check=True, cwd=ROOT, env=surroundings)
        assert hashlib.sha256((tmp_path / "a.jsonl").read_bytes()).hexdigest() == SHA256
        assert SHA256 in (tmp_path / "a.md").read_text("utf-8")


def test_fifty_roles_with_seven_different_questions_each(tmp_path):
    rows = run(tmp_path)
    texts = [question.text for row in rows for question in row.questions]
    assert len(rows) == 50 and len(texts) == len(set(texts)) == 350
    assert all(aloud(text) == text for text in texts), "each is spoken as it is written"
    assert len({row.name for row in rows}) == len({row.organisation for row in rows}) == 50
    counts = {domain: sum(r.domain == domain for r in rows) for domain in {r.domain for r in rows}}
    assert set(counts.values()) == {5} and len(counts) == 10
    assert run(tmp_path, roles=2) == rows[:2]
    assert rows[0].domain != rows[1].domain


def test_a_scenario_is_as_written_by_hand():
    row = ALL[0]
    assert row.context == (
        "You work for Copper Kettle Kitchen which is a restaurant and your name is Hannah Pryce. "
        "Information: The head chef is called Marcel Dubrow. The mushroom risotto costs $18.40. "
        "The last seating is at 9:10 pm. We open for dinner only."
    )
    first, price, time, *others = row.questions
    assert (first.text, first.fact) == ("What is the name of your head chef?", "Marcel Dubrow")
    assert first.choices[1:] == ["Aiko Tanabe", "Rory McAllen", "Lucia Ferrante"]
    assert (price.fact, time.fact) == ("$18.40", "9:10 pm")
    assert time.absent == "half past ten at night" and time.absent in time.text
    assert [question.fact for question in others] == [None] * 4


@pytest.mark.parametrize("row", ALL, ids=[row.id for row in ALL])
def test_what_is_asked_is_in_the_context_or_not(row):
    for question in row.questions[:3]:
        assert question.fact in row.context and question.fact not in question.text
    for index in (3, 5):
        assert row.questions[index].absent.casefold() not in row.context.casefold()


def test_nothing_of_a_role_is_in_another_one():
    for one, other in combinations(ALL, 2):
        assert clash(one, other) is None
        assert not set(particulars(one)) & set(particulars(other))


FAULTS = [
    ({"index": 1, "fact": None}, "is without its fact"),
    ({"index": 0, "fact": "Marcel Dupont"}, "'Marcel Dupont' of question 0 is not word for word"),
    ({"index": 1, "fact": "$18.4"}, "'$18.4' of question 1 is not word for word"),
    ({"index": 0, "fact": "called"}, "no proper noun"),
    ({"index": 1, "text": "Is the risotto $18.40?"}, "tells its own answer"),
    ({"index": 3, "absent": None}, "does not say what is asked for"),
    ({"index": 3, "absent": "a lunch"}, "does not say 'a lunch'"),
    (
        {"index": 3, "text": "The Mushroom Risotto?", "absent": "The Mushroom Risotto"},
        "must not be in the context",
    ),
    ({"index": 5, "fact": "$18.40"}, "has the fact '$18.40', where there can be none"),
    ({"index": 4, "text": "*sighs*"}, "has nothing to say"),
    ({"index": 6, "text": "what is the name of your HEAD CHEF"}, "the same question twice"),
    ({"index": 6, "choices": ["a", "b", "c"]}, "has not 4 answers"),
    ({"index": 6, "choices": ["a", "b", "c", "C."]}, "the same answer to choose twice"),
    ({"index": 1, "choices": ["$1", "$2", "$3", "$4"]}, "'$1', is not its fact"),
    ({"index": 1, "choices": ["$18.40", "9:10 pm", "$3", "$4"]}, "wrong answer '9:10 pm'"),
]


@pytest.mark.parametrize("fields, told", FAULTS, ids=[told for _, told in FAULTS])
def test_a_question_that_breaks_a_rule_is_refused_by_name(tmp_path, fields, told):
    row = changed(ALL[0], **deepcopy(fields))
    write_rows(tmp_path / "own.jsonl", [row, ALL[1]])
    with pytest.raises(UserError, match=r"own.jsonl, scenario 'restaurant-1': ") as error:
        read_scenarios(tmp_path / "own.jsonl")
    assert told in str(error.value)


def test_a_scenario_without_its_fact_is_refused():
    """Its own sentence is missing in what the system is told."""
    row = ALL[0].model_copy(deep=True)
    row.context = row.context.replace(" The last seating is at 9:10 pm.", "")
    assert "'The last seating is at 9:10 pm.' is not word for word" in fault(row)
    row.facts.remove("The last seating is at 9:10 pm.")
    assert "'9:10 pm' of question 2 is not word for word in the context" in fault(row)
    assert fault(ALL[0].model_copy(update={"facts": []})) == "it has no facts"
    assert "organisation" in fault(ALL[0].model_copy(update={"organisation": "Kettle & Co"}))
    assert "must be 0 to 6" in fault(ALL[0].model_copy(update={"questions": []}))


LEAKS = [
    (
        {"name": "Olivia Trent", "context": ALL[0].context.replace("Hannah Pryce", "Olivia Trent")},
        "name 'Olivia Trent' is that of scenario 'restaurant-1'",
    ),
    ({"id": "bank-1"}, "its id 'bank-1'"),
    ({"context": ALL[0].context + " Try Penny Pilot."}, "'Penny Pilot' of scenario 'bank-4' leaks"),
    ({"context": ALL[0].context + " It is 4.15% cheaper."}, "'4.15%' of scenario 'bank-3' leaks"),
    ({"context": ALL[0].context + " Flights at 1:50 PM."}, "'1:50 pm' of scenario 'travel-1'"),
    ({"context": ALL[0].context + " Go to Dalton."}, "'Dalton' of scenario 'travel-1' leaks"),
]


@pytest.mark.parametrize("fields, told", LEAKS, ids=[told for _, told in LEAKS])
def test_a_fact_that_leaks_is_refused(fields, told):
    row = ALL[0].model_copy(update=fields)
    with pytest.raises(UserError, match="scenario '") as error:
        checked([row, *ALL[1:]], "mine")
    assert told in str(error.value)


def test_the_same_question_to_two_roles_is_refused():
    row = changed(ALL[1], 6, text=ALL[0].questions[6].text.upper())
    assert "has its question" in clash(row, ALL[0])


def test_a_dropped_row_is_not_looked_at():
    row = ALL[0].model_copy(update={"facts": [], "dropped": "not usable"})
    assert checked([row, ALL[1]], "mine") == [row, ALL[1]]


def test_numbers_and_words_are_found_whole():
    assert stands("$4", "It is $4.") and not stands("$4", "It is $4.50") and not stands("4", "$4")
    assert stands("9:10", "At 9:10, come.") and not stands("9:1", "At 9:10")
    assert not stands("10", "At 9:10 pm") and not stands("35", "2.35%") and not stands("2", "2%")
    assert stands("A cat", "with a Cat!", fold=True) and not stands("cat", "concatenate")


@given(st.text(max_size=20), st.text(max_size=40))
def test_what_stands_is_there(what, text):
    if stands(what, text):
        assert what in text


@pytest.mark.parametrize("question", ALL[0].questions, ids=KINDS)
def test_each_letter_is_right_once(question):
    asked = orders(question)
    assert [letter for _, letter in asked] == ["A", "B", "C", "D"]
    for text, letter in asked:
        assert text.startswith(question.text + "\n")
        assert f"\n{letter}. {question.choices[0]}\n" in text
        options = [line for line in text.splitlines() if line[1:3] == ". "]
        assert sorted(line[3:] for line in options) == sorted(question.choices)
        assert letter_in(f"{letter}.", len(asked)) == letter
    assert len({text for text, _ in asked}) == 4


def test_training_texts_that_know_a_scenario_are_found():
    texts = [
        "Welcome to the COPPER   KETTLE kitchen!",
        "The copper kettle is in the kitchen. It is 9:10 pm, and that makes $18.40.",
        "This is marcel dubrow speaking; I am Olivia Trent's cousin.",
        "We open, for dinner only",
        "",
    ]
    found = overlapping(ALL, texts)
    assert {(one.scenario, one.what, one.text) for one in found} == {
        ("restaurant-1", "Copper Kettle Kitchen", 0),
        ("restaurant-1", "Marcel Dubrow", 2),
        ("bank-1", "Olivia Trent", 2),
        ("restaurant-1", "We open for dinner only.", 3),
    }


@pytest.mark.parametrize("row", ALL[::7], ids=[row.id for row in ALL[::7]])
def test_a_context_overlaps_with_itself_alone(row):
    assert {one.scenario for one in overlapping(ALL, [row.context])} == {row.id}


def table(tmp_path: Path, change) -> Path:
    lines = ROLES.read_text("utf-8").splitlines()
    file = tmp_path / "roles.tsv"
    file.write_text("\n".join(change(lines)) + "\n", "utf-8")
    return file


TABLES = [
    (lambda lines: [line.replace("restaurant\t", "resturant\t") for line in lines], "restaurant'"),
    (lambda lines: lines[:4], "the domain 'restaurant' has 1 roles; it needs 4"),
    (lambda lines: [line.replace("$7.30", "$18.40") for line in lines], "'$18.40' of scenario"),
    (lambda lines: [line.replace("\ta bank\t", "\tbank\t") for line in lines], "kind: 'bank'"),
    (lambda lines: [line.replace("9:10 pm", "") for line in lines], "value2"),
]


@pytest.mark.parametrize("change, told", TABLES, ids=[told for _, told in TABLES])
def test_a_malformed_table_is_refused(tmp_path, change, told):
    with pytest.raises(UserError) as error:
        run(tmp_path, service_roles=table(tmp_path, change))
    assert told in str(error.value) and "roles.tsv" in str(error.value)


SENTENCES = [
    ("{item0} is called", "{itemm0} is called", "a part in braces is no column ('itemm0')"),
    ('  6:\n    - "{unrelated}"', '  7:\n    - "{unrelated}"', "there must be questions 0 to 6"),
    ("facts:", "fakts:", "unknown key 'fakts'; did you mean 'facts'?"),
    ("facts:", "facts: [", "is not YAML"),
]


@pytest.mark.parametrize("old, new, told", SENTENCES, ids=[told for _, _, told in SENTENCES])
def test_malformed_sentences_are_refused(tmp_path, old, new, told):
    file = tmp_path / "domains.yaml"
    file.write_text(DOMAINS.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(UserError) as error:
        run(tmp_path, domains=file)
    assert told in str(error.value) and str(file) in str(error.value)


def test_more_roles_than_there_are_is_an_error(tmp_path):
    with pytest.raises(UserError, match="51 service roles are wanted, .* has 50"):
        run(tmp_path, roles=51)


def test_every_question_is_asked_in_four_orders(tmp_path):
    run(tmp_path, roles=2)
    rows = read_rows(tmp_path / "choices.jsonl", Choice)
    assert len(rows) == 2 * 7 * 4
    asked = [row for row in rows if (row.scenario, row.index) == (ALL[0].id, 0)]
    assert [row.right for row in asked] == ["A", "B", "C", "D"]
    assert all(f"{row.right}. {ALL[0].questions[0].choices[0]}" in row.text for row in asked)


def test_the_card_counts_domains_and_kinds(tmp_path):
    run(tmp_path, roles=13)
    card = (tmp_path / "card.md").read_text("utf-8")
    assert "13 service roles, 91 questions" in card and "Apache-2.0" in card
    assert "| bank | 2 | 14 | 0 |" in card and "| leisure | 1 | 7 | 0 |" in card
    assert "| 4 | rudeness | 13 |" in card and "{" not in card


def written(row: Scenario) -> dict:
    """What a model would write for a scenario."""
    said = []
    for question in row.questions:
        right = {} if question.index < 3 else {"right": question.choices[0]}
        said.append(
            {"text": question.text, "fact": question.fact, "absent": question.absent}
            | right
            | {"wrong": question.choices[1:]}
        )
    kind = row.context.split(" which is ")[1].split(" and your name")[0]
    about = {"organisation": row.organisation, "kind": kind, "name": row.name}
    return about | {"facts": row.facts, "questions": said}


def reply(row: Scenario) -> str:
    return json.dumps(written(row))


@pytest.mark.parametrize(
    "form",
    [
        lambda text: text,
        lambda text: f"<think>Hm, {{a}}.</think>Here it is:\n```json\n{text}\n```",
        lambda text: text.replace('"}, {"text"', '"}, {"text"', 1)[:-2] + ",]}",  # a comma too many
    ],
)
def test_a_reply_is_read_leniently(form):
    assert parsed(form(reply(ALL[0])), ALL[0].id, ALL[0].domain) == ALL[0]


UNUSABLE = [
    (NoReply("the service refused"), "not usable: the service refused"),
    ("I cannot do that.", "no JSON with questions"),
    ("[" * 5000, "no JSON with questions"),
    ('{"questions": []}', "not a scenario (organisation"),
    (reply(ALL[0])[:-40], "the reply ended in the middle"),
    (reply(ALL[0])[:900], ""),
    (reply(ALL[0]).replace('"I am sorry', "I am sorry", 1), "cannot be mended without doubt"),
    (reply(ALL[0]).replace("$18.40", "$18.50", 1), "'$18.40' of question 1 is not word for word"),
    (json.dumps(written(ALL[0]) | {"questions": written(ALL[0])["questions"][:6]}), "6 questions"),
]


@pytest.mark.parametrize("said, told", UNUSABLE, ids=range(len(UNUSABLE)))
def test_an_unusable_reply_is_a_reason(said, told):
    row = parsed(said, "x", "bank")
    assert row.dropped.startswith("not usable: ") and told in row.dropped


class Model:
    name, context = "invented", None

    def __init__(self, *rounds):
        self.rounds, self.asked = list(rounds), []

    def generate(self, chats, max_tokens, seed=0, temperature=0.0):
        self.asked.append((chats, seed))
        return self.rounds.pop(0)


def test_a_language_model_makes_another_set(tmp_path, monkeypatch):
    """One reply is no scenario at first, one twice, one repeats another's names."""
    a, b, c = (reply(row) for row in ALL[:3])
    model = Model([a, "no", "no", a], [b, "no", c])
    monkeypatch.setattr(backends, "load", lambda spec: model)
    rows = run(tmp_path, llm=ModelSpec("llm", "made"), roles=4, attempts=2)
    assert [row.organisation for row in rows] == [
        ALL[0].organisation,
        ALL[1].organisation,
        "",
        ALL[2].organisation,
    ]
    assert [row.dropped for row in rows] == [None, None, "not usable: no JSON with questions", None]
    assert [row.id for row in rows] == ["restaurant-1", "bank-1", "clinic-1", "travel-1"]
    (first, seeds), (second, _) = model.asked
    assert len(set(seeds)) == 4 and len(second) == 3
    assert "Avoid this: no JSON" in second[0][-1]["content"]
    assert "Avoid" not in first[0][-1]["content"] and "restaurant" in first[0][-1]["content"]
    card = (tmp_path / "card.md").read_text("utf-8")
    assert "3 service roles" in card and "- clinic-1: not usable" in card and "invented" in card
    assert read_scenarios(tmp_path / "scenarios.jsonl") == rows


def test_the_example_of_the_prompt_keeps_its_rules_and_is_no_scenario(tmp_path, monkeypatch):
    text = PROMPT.read_text("utf-8").split("# Reply\n")[1].split("\n")[0]
    assert parsed(text, "restaurant-1", "restaurant").dropped is None
    monkeypatch.setattr(backends, "load", lambda spec: Model([text]))
    (row,) = run(tmp_path, llm=ModelSpec("llm", "made"), roles=1, attempts=1)
    assert row.dropped == "not usable: 'Gilded Spoon' is the prompt's own"


def test_a_reply_nested_too_deeply_is_a_reason():
    deep = "[" * 400 + "]" * 400
    said = reply(ALL[0])[:-1] + f', "more": {deep}}}'
    assert parsed(said, "restaurant-1", "restaurant").dropped in (
        None,
        "not usable: not a scenario (nested too deeply)",
    )

"""Training dialogues from a language model: what is taken, and what is asked for again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import backends
from scripts.common.prompts import read_prompt
from scripts.duplex.dialogue_writer import FURTHER, PLACES, parsed, written
from scripts.duplex.train_dialogues import read_templates
from scripts.rows.duplex import TrainDuplex
from scripts.workflow.model_spec import ModelSpec
from tests.duplex.training import SCENARIOS, TEMPLATES, Stock, run

PROMPT = read_prompt(Path("config/prompts/duplex_dialogue.md"), PLACES, FURTHER)
TURNS = ["Lamp House, this is Ida.", "Do you sell candles?", "Yes, from $2.15 on.", "Good, bye."]


def reply(**changed) -> str:
    turns = [
        {"speaker": ("agent", "caller")[place % 2], "text": text}
        for place, text in enumerate(changed.pop("lines", TURNS))
    ]
    given = {"organisation": "Lamp House", "kind": "a lamp shop", "name": "Ida Roy"}
    given |= {"facts": ["Candles cost $2.15."], "turns": turns}
    return json.dumps(given | changed)


class Told:
    """Gives its replies in turn, and keeps what it was asked."""

    name, context = "told", None

    def __init__(self, *replies: str):
        self.replies, self.asked = [*replies], []

    def generate(self, chats, max_tokens, seed=0, temperature=0.0):
        self.asked += chats
        return [self.replies.pop(0) for _ in chats]


def ask(model: Told, count: int = 1, attempts: int = 2):
    templates = read_templates(TEMPLATES)
    return written(model, PROMPT, templates, count, SCENARIOS, attempts, 800, 0.7, 1)


def test_a_good_reply_is_a_dialogue():
    (own,) = ask(Told(f"Here it is: {reply()}"))
    assert own.dropped is None and own.id == "service-00001" and own.kind == "service"
    assert own.role_prompt.startswith("You work for Lamp House which is a lamp shop and your name")
    assert own.lines[1] == ("caller", "Do you sell candles?") and own.voice_text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("I would rather not.", "no JSON with turns"),
        (reply()[:-9], "no JSON with turns"),
        (reply(facts="none"), "not a dialogue"),
        (reply(facts=[]), "no facts"),
        (reply(name=" "), "no name"),
        (reply(lines=TURNS[:2]), "2 lines, not 4 to 16"),
        (reply(lines=["Hello.", *TURNS[1:]]), "nobody says the name of the company"),
        (reply(lines=[*TURNS, "..."]), "nothing to say in '...'"),
        (reply(turns=[{"speaker": "agent", "text": "Lamp House."}] * 4), "two lines in a row"),
    ],
)
def test_a_bad_reply_has_its_reason(text, says):
    found = parsed(text, "x", "sample").dropped
    assert found and found.startswith("not usable: ") and says in found


def test_what_cannot_be_used_is_asked_for_again_with_the_reason():
    stolen = reply(lines=[f"Lamp House, {SCENARIOS[0].name} here.", *TURNS[1:]])
    model = Told(stolen, reply())
    (own,) = ask(model)
    assert own.dropped is None and len(model.asked) == 2
    assert f"'{SCENARIOS[0].name}' is in the test scenarios" in model.asked[1][-1]["content"]
    example = PROMPT.messages[-2]["content"]
    lost = ask(Told(reply(), "no", "nothing"), count=2)
    assert lost[0].dropped is None and "no JSON" in (lost[1].dropped or "")
    (copy,) = ask(Told(example), attempts=1)
    assert "is the prompt's own" in (copy.dropped or "")
    _, twice = ask(Told(reply(), reply()), count=2, attempts=1)
    assert twice.dropped == "not usable: it is another one's copy"


def test_the_stage_keeps_what_the_model_could_not_give(tmp_path, monkeypatch):
    model = Told(reply(), "no", "no")
    monkeypatch.setattr(backends, "load_for", lambda rows, spec: Stock())
    rows: list[TrainDuplex] = run(
        tmp_path, monkeypatch, model, service=2, questions=1, attempts=2, llm=ModelSpec("llm", "m")
    )
    assert [(row.kind, row.dropped is None) for row in rows] == [
        ("service", True),
        ("service", False),
        ("question", True),
    ]
    card = (tmp_path / "card.md").read_text("utf-8")
    assert "those of services from a language model (llm/m)" in card
    assert "- service-00002: not usable: no JSON with turns" in card

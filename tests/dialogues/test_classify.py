"""A dialogue's sub-task is the label that gains most in likelihood over a neutral prompt."""

from pathlib import Path

import pytest

from scripts.backends.llm import Score
from scripts.common.errors import UserError
from scripts.dialogues.classify import classify
from scripts.rows.dialogues import Dialogue, Exchange
from scripts.rows.jsonl import read_rows
from scripts.workflow.model_spec import ModelSpec
from tests.dialogues.tiny import dialogue, use
from tests.rows import written

CONFIG = Path(__file__).resolve().parents[2] / "config"
SHIPPED = CONFIG / "prompts/classify.md"
TYPES = CONFIG / "published/figure4_task_types.tsv"


class Scorer:
    """Finds "what happened" likely after anything, and the topic of the question even likelier."""

    name = "tiny"

    def __init__(self):
        self.asked = 0

    def score(self, pairs):
        self.asked += 1
        return [Score(self.likelihood(chat, words), 3) for chat, words in pairs]

    def likelihood(self, chat, words):
        bias = -1.0 if words == " what happened" else -9.0
        on = {"why": "reason", "advise": "advice", "do": "happened"}
        question = chat[0]["content"].lower()
        return bias + sum(word in question and about in words for word, about in on.items())


LLM = ModelSpec("llm", "made")


def run(tmp_path, monkeypatch, rows, prompt=SHIPPED):
    model = Scorer()
    use(monkeypatch, model)
    classified = tmp_path / "classified.jsonl"
    classify(
        written(tmp_path / "drafts.jsonl", rows),
        prompt,
        TYPES,
        classified,
        llm=ModelSpec("llm", "made"),
    )
    return read_rows(classified, Dialogue), model


def asks(question):
    return dialogue(question, turns=[Exchange(user=question, role="Well.")])


def test_the_sub_task_is_the_likeliest_beyond_its_wordings_own_likelihood(tmp_path, monkeypatch):
    rows = [asks("Why me?"), asks("What would you advise?"), asks("What did you do then?")]
    result, _ = run(tmp_path, monkeypatch, rows)
    assert [row.subtask for row in result] == [
        "Reasoning and Motivation",
        "Advice and Life Experience",
        "Action Description and Retrospection",
    ]
    assert [row.id for row in result] == [row.id for row in rows]


class Chooser:
    """Chooses the sub-task that it is given, or gives no answer."""

    name = "service"

    def __init__(self, *names):
        self.names, self.options = names, []

    def choose(self, chats, options):
        self.options = options
        return [
            None if name is None else [0.0 if name in option else -9.0 for option in options]
            for name in self.names
        ]


def test_a_service_chooses_by_name_and_wording(tmp_path, monkeypatch):
    model = Chooser("Skills and Abilities", None)
    use(monkeypatch, model)
    rows = [asks("How do you fly?"), asks("What?")]
    classified = tmp_path / "classified.jsonl"
    classify(
        written(tmp_path / "drafts.jsonl", rows),
        SHIPPED,
        TYPES,
        classified,
        llm=ModelSpec("llm", "made"),
    )
    found = read_rows(classified, Dialogue)
    assert [row.subtask for row in found] == ["Skills and Abilities", None]
    assert len(model.options) == 8 and "a skill (Skills and Abilities)" in model.options


def test_dropped_rows_pass_on_untouched(tmp_path, monkeypatch):
    lost = dialogue("lost", turns=[], raw="Sorry.", dropped="not usable: no JSON")
    result, model = run(tmp_path, monkeypatch, [lost, asks("Why me?")])
    assert result[0] == lost and result[1].subtask
    result, model = run(tmp_path, monkeypatch, [lost])
    assert result == [lost] and model.asked == 0


@pytest.mark.parametrize(
    "old, new, sentence",
    [
        (
            "Skills and Abilities |",
            "Skill and Abilities |",
            "no wording for 'Skills and Abilities'",
        ),
        ("a skill\n", "a skill\nGossip | a rumour\n", "no sub-task is called 'Gossip'"),
        ("{question}\n", "{quest}\n", "did you mean 'question'"),
    ],
)
def test_a_prompt_with_other_labels_is_refused(tmp_path, monkeypatch, old, new, sentence):
    path = tmp_path / "classify.md"
    path.write_text(SHIPPED.read_text("utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(UserError, match=sentence):
        run(tmp_path, monkeypatch, [], prompt=path)

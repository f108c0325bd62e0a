"""Sorts dialogues by the eight sub-tasks of the paper's Figure 4.

The paper does not say how; here a language model is asked what the user's first question is about,
and the most likely of the eight answers in the prompt file wins. Some wordings are more likely than
others whatever the question, so the log-probability of the same wording after a content-free
question is subtracted (contextual calibration, Zhao et al. 2021, arXiv:2102.09690).

Services do not return likelihoods of given texts, so they choose among the sub-tasks by name and
wording. No calibration is needed: the answer is a letter, not a wording.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from scripts import backends
from scripts.backends.llm import ChoosingLlm, LlmBackend, ScoringLlm, chooses, scores
from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.common.prompts import Chat, Prompt, read_prompt
from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import read_rows, write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

NEUTRAL = "..."  # a content-free question


def classify(
    drafts: Path, prompt: Path, task_types: Path, classified: Path, llm: ModelSpec
) -> None:
    """Set `subtask` of every usable dialogue; rows dropped before are passed on unchanged.

    `prompt` asks about {question} (and optionally {answer}, the role's first) and words each
    sub-task under "# Labels"; `task_types` is the paper's table of them. If a service does not
    answer, the row has no sub-task. Raises UserError if the two name different sub-tasks.
    """
    asked = read_prompt(prompt, {"question"}, {"answer"})
    labels = _labels(asked, prompt, task_types)
    rows = read_rows(drafts, Dialogue)
    usable = [row for row in rows if row.dropped is None]
    if usable:
        model: LlmBackend = backends.load(llm)
        firsts = [(row.turns[0].user, row.turns[0].role) for row in usable]
        names: Sequence[str | None] = []
        if scores(model):
            names = _told(model, asked, labels, firsts)
        elif chooses(model):
            names = _chosen(model, asked, labels, firsts)
        for row, name in zip(usable, names, strict=True):
            row.subtask = name
    write_rows(classified, rows)


def _labels(asked: Prompt, prompt: Path, task_types: Path) -> dict[str, str]:
    """{sub-task: wording}, for exactly the sub-tasks of the table, in its order."""
    with Path(task_types).open(encoding="utf-8", newline="") as file:
        names = [row["subtask"] for row in csv.DictReader(file, delimiter="\t")]
    worded = dict(asked.lists.get("Labels", []))
    for name in names:
        if not worded.get(name):
            raise UserError(f"{prompt}: '# Labels' has no wording for '{name}' ('{name} | words').")
    for name in worded:
        if name not in names:
            raise UserError(f"{prompt}: no sub-task is called '{name}'{nearest(name, names)}")
    return {name: worded[name] for name in names}


def _told(
    model: ScoringLlm, asked: Prompt, labels: dict[str, str], firsts: list[tuple[str, str]]
) -> list[str]:
    """The label whose wording gains most likelihood from each (question, answer)."""
    neutral, *found = _scores(model, asked, labels, [(NEUTRAL, NEUTRAL), *firsts])
    return [max(labels, key=lambda name: scores[name] - neutral[name]) for scores in found]


def _chosen(
    model: ChoosingLlm, asked: Prompt, labels: dict[str, str], firsts: list[tuple[str, str]]
) -> list[str | None]:
    """The label that the model chooses for each (question, answer); None without an answer."""
    options = [f"{words} ({name})" for name, words in labels.items()]
    found = model.choose(_chats(asked, firsts), options)
    names = list(labels)
    return [None if row is None else names[row.index(max(row))] for row in found]


def _scores(
    model: ScoringLlm, asked: Prompt, labels: dict[str, str], firsts: list[tuple[str, str]]
) -> list[dict[str, float]]:
    """Log-probability of each label's wording after each (question, answer)."""
    chats = _chats(asked, firsts)
    pairs = [(chat, f" {words}") for chat in chats for words in labels.values()]
    found = iter(model.score(pairs))
    return [{name: next(found).logprob for name in labels} for _ in chats]


def _chats(asked: Prompt, firsts: list[tuple[str, str]]) -> list[Chat]:
    return [asked.chat(question=question, answer=answer) for question, answer in firsts]


if __name__ == "__main__":
    stage.run(classify, globals().get("snakemake"))

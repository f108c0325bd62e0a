"""Duplex Table 4: answers of service roles, by kind of question (PersonaPlex, Table 4)."""

from pathlib import Path
from typing import Any

from scripts.duplex.measuring import label_of
from scripts.paper.report.duplex_summary import cell, rater_told, summaries
from scripts.paper.report.layout import Section, write_table
from scripts.paper.report.published import read_published
from scripts.rows.duplex import DuplexItem, DuplexScore
from scripts.rows.jsonl import read_all, read_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

KINDS = {
    **{"Q0": "proper noun", "Q1": "detail", "Q2": "detail", "Q3": "cannot be fulfilled"},
    **{"Q4": "rudeness", "Q5": "not in the context", "Q6": "unrelated"},
}
HEADER = [
    *("source", "system", "metric", "form", "by", "question"),
    *("value", "low", "high", "n", "missing"),
]
METRICS = {"task_adherence": "task adherence", "naturalness": "naturalness"}
CHOICE = "choice"
ASKING = ("system", "Q0", "Q1", "Q2", "mean")  # of the right one of several answers
CHANCE = {"chance": "by chance"}


def duplex_table4(
    published: Path,
    item_rows: Path,
    scores: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    asr: list[ModelSpec],
    llm: ModelSpec,
) -> None:
    """The printed ratings, and this run's: 0 to 5 for each kind of question and over all; and of
    questions for a fact the share of replies that name the right one of several answers
    (scripts/duplex/named_choice.py), beside that of guesses.

    `llm` rated what the first of `asr` heard. csv: a row a system, measure, form and question; the
    question `mean` is over all.
    """
    items = [row for row in read_rows(item_rows, DuplexItem) if row.question]
    questions = {row.id: row.question for row in items if row.question}
    kinds = {ident: f"Q{question.index}" for ident, question in questions.items()}
    heard = label_of(asr[0])
    rated = [
        row
        for row in read_all(scores, DuplexScore)
        if row.metric in METRICS
        or (row.metric == CHOICE and row.by == heard and questions[row.id].fact)
    ]
    rated.sort(key=lambda row: (row.system, row.form != "official", kinds[row.id]))
    found = {
        (one.system, one.metric, one.form, one.task): one
        for one in [
            *summaries(rated, lambda row: kinds[row.id]),
            *summaries(rated, lambda row: "mean"),
        ]
    }
    printed = read_published(published)
    columns = {"system": "system"} | {key: f"{key}: {what}" for key, what in KINDS.items()}
    columns |= {"mean": "mean"}
    sections = [Section(printed, columns, "Printed: task adherence, by GPT-4o", digits=2)]
    guesses = [1 / len(own.choices) for own in questions.values() if own.fact and own.choices]
    chance = f"{sum(guesses) / len(guesses):.3f}" if guesses else None
    for metric, title in (METRICS | {CHOICE: "the right one of several answers"}).items():
        lines: dict[tuple[str, str], dict[str, Any]] = {}
        for (system, own, form, question), one in found.items():
            if own == metric:
                line = lines.setdefault((system, form), {"system": system, "form": form})
                line |= {question: cell(one), "chance": chance}
        shown = {"system": "system", "form": "form"} | columns
        if metric == CHOICE:
            shown = {key: own for key, own in shown.items() if key in ASKING} | CHANCE
        sections.append(Section(list(lines.values()), shown, f"This run: {title}"))
    rows = [
        {"source": "printed", "system": row["system"], "metric": "task_adherence"}
        | {"form": "official", "by": "gpt-4o", "question": question, "value": row[question]}
        for row in printed
        for question in [*KINDS, "mean"]
    ]
    rows += [
        {"source": "run", "system": system, "metric": metric, "form": form, "question": question}
        | {key: getattr(one, key) for key in ("by", "value", "low", "high", "n", "missing")}
        for (system, metric, form, question), one in found.items()
    ]
    write_table(
        rows,
        table_csv,
        table_md,
        table_tex,
        "Duplex Table 4: service roles",
        [
            f"This run: rated by {label_of(llm)}, reading what {label_of(asr[0])} heard.",
            rater_told(llm),
            "The paper's judge is GPT-4o, and its questions were never released: those of this run "
            "are another set, and its rows cannot be compared with the printed ones.",
            "Official: an answer that nobody heard has 0. Corrected: it has no rating; in brackets "
            "the items with a rating of all.",
            f"The right one of several answers: found in what {heard} heard by a rule, not by a "
            "judge, in all circular orders of the answers; by chance, if a system named one of "
            "them without knowing. Answers to Q3 to Q6 are whole sentences, which no rule finds.",
        ],
        sections=sections,
        header=HEADER,
    )


if __name__ == "__main__":
    stage.run(duplex_table4, globals().get("snakemake"))

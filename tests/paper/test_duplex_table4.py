"""Duplex Table 4: ratings by kind of question."""

from __future__ import annotations

import csv
from pathlib import Path

from scripts.paper.duplex_table4 import duplex_table4
from scripts.rows.duplex import Question
from scripts.workflow.model_spec import ModelSpec
from tests.rows import duplex as made
from tests.rows import written

PRINTED = Path("config/published/duplex_table4.tsv")
FORMS = ("corrected", "official")


def question(index: int) -> Question:
    return Question(index=index, text="What?", fact=None, choices=[])


def test_means_are_by_question_and_over_all(tmp_path):
    items = [
        made.item(f"r{role}-q{n}", task="service", scenario=f"r{role}", question=question(n))
        for role in (1, 2)
        for n in (0, 6)
    ]
    about = {"task": "service", "metric": "task_adherence", "by": "openvino"}
    scores = [
        made.score("r1-q0", 5, scenario="r1", **about),
        made.score("r2-q0", 4, scenario="r2", **about),
        made.score("r1-q6", 1, scenario="r1", **about),
        made.score("r2-q6", None, scenario="r2", **about),
    ]
    scores = [row.model_copy(update={"form": form}) for form in FORMS for row in scores]
    files = [tmp_path / f"table.{end}" for end in ("csv", "md", "tex")]
    duplex_table4(
        PRINTED,
        written(tmp_path / "items.jsonl", items),
        [written(tmp_path / "scores.jsonl", scores)],
        *files,
        asr=[ModelSpec("asr", "ear")],
        llm=ModelSpec("llm", "openvino"),
    )
    page = files[1].read_text("utf-8")
    assert "The judge of replies: openvino, by llm/openvino, which reads them" in page
    assert "it runs in the job itself, without an address." in page
    page = files[1].read_text("utf-8")
    # 4.5 of question 0; 1 of question 6, where one of two has no rating; 10 / 3 over all.
    assert "| s | official | 4.500 | – | – | – | – | – | 1.000 (1/2) | 3.333 (3/4) |" in page
    assert page.index("| s | official |") < page.index("| s | corrected |")
    with files[0].open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    printed = [row for row in rows if row["source"] == "printed" and row["system"] == "Moshi"]
    assert {row["question"]: float(row["value"]) for row in printed}["Q3"] == 2.0
    assert len(printed) == 8

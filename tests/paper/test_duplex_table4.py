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


def table(tmp_path, items, scores) -> tuple[list[dict], str]:
    files = [tmp_path / f"table.{end}" for end in ("csv", "md", "tex")]
    duplex_table4(
        PRINTED,
        written(tmp_path / "items.jsonl", items),
        [written(tmp_path / "scores.jsonl", scores)],
        *files,
        asr=[ModelSpec("asr", "ear"), ModelSpec("asr", "other")],
        llm=ModelSpec("llm", "openvino"),
    )
    with files[0].open(encoding="utf-8") as file:
        return list(csv.DictReader(file)), files[1].read_text("utf-8")


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
    rows, page = table(tmp_path, items, scores)
    assert "The judge of replies: openvino, by llm/openvino, which reads them" in page
    assert "it runs in the job itself, without an address." in page
    # 4.5 of question 0; 1 of question 6, where one of two has no rating; 10 / 3 over all.
    assert "| s | official | 4.500 | – | – | – | – | – | 1.000 (1/2) | 3.333 (3/4) |" in page
    assert page.index("| s | official |") < page.index("| s | corrected |")
    printed = [row for row in rows if row["source"] == "printed" and row["system"] == "Moshi"]
    assert {row["question"]: float(row["value"]) for row in printed}["Q3"] == 2.0
    assert len(printed) == 8


def test_the_right_one_of_several_answers_stands_beside_chance(tmp_path):
    """Two roles, three questions for a fact with four answers each, one with whole sentences."""
    items = [
        made.item(
            f"r{role}-q{n}",
            task="service",
            question=Question(index=n, text="?", fact="x" if n < 3 else None, choices=[*"xyzw"]),
        )
        for role in (1, 2)
        for n in range(4)
    ]
    about = {"task": "service", "metric": "choice", "form": "corrected"}
    scores = [
        made.score(item.id, float(item.id[1] == "1"), by="ear", **about) for item in items[:-1]
    ]
    scores += [made.score("r2-q3", None, by="ear", **about)]
    scores += [made.score("r1-q0", 0, by="other", **about)]
    rows, page = table(tmp_path, items, scores)
    assert "| s | 0.500 | 0.500 | 0.500 | 0.500 | 0.250 |" in page
    own = {row["question"]: row["value"] for row in rows if row["metric"] == "choice"}
    assert own == {"Q0": "0.5", "Q1": "0.5", "Q2": "0.5", "mean": "0.5"}

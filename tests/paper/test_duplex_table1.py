"""Duplex Table 1: printed and rated, each labelled."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from scripts.paper.duplex_table1 import duplex_table1
from scripts.rows.duplex import sample_of
from scripts.workflow.model_spec import ModelSpec
from tests.rows import duplex as made
from tests.rows import written

PRINTED = Path("config/published/duplex_table1.tsv")
SPEAKERS = [ModelSpec("speaker", "campplus")]


@pytest.fixture
def table(tmp_path):
    def made_of(ratings: list[str], sides, scores) -> tuple[list[dict], str]:
        rated = tmp_path / "ratings.tsv"
        rated.write_text("\n".join(["rater\tsample\tscore", *ratings]) + "\n", "utf-8")
        files = [tmp_path / f"table.{end}" for end in ("csv", "md", "tex")]
        duplex_table1(
            PRINTED,
            rated,
            [written(tmp_path / "sides.jsonl", sides)],
            [written(tmp_path / "scores.jsonl", scores)],
            *files,
            speakers=SPEAKERS,
        )
        with files[0].open(encoding="utf-8") as file:
            return list(csv.DictReader(file)), files[1].read_text("utf-8")

    return made_of


def test_ratings_and_similarity_stand_beside_the_printed_rows(table):
    sides = [made.conversation(name) for name in "abcde"]
    ratings = [
        f"ann\t{sample_of(side)}\t{score}" for side, score in zip(sides, "12345", strict=True)
    ]
    about = {"metric": "similarity", "form": "corrected", "by": "campplus", "task": "turn"}
    scores = [made.score(name, 0.5, **about) for name in "abcde"]
    rows, page = table(ratings, sides, scores)
    (own,) = [row for row in rows if row["source"] == "run" and row["metric"] == "dmos"]
    assert (float(own["value"]), own["n"]) == (3.0, "5")
    (like,) = [row for row in rows if row["source"] == "run" and row["metric"] == "similarity"]
    assert float(like["value"]) == 0.5 and like["form"] == "corrected"
    (printed,) = [
        row
        for row in rows
        if (row["source"], row["system"], row["metric"]) == ("printed", "Moshi", "similarity")
    ]
    assert float(printed["value"]) == 0.1
    assert "| s | known | 3.00 ± 1.96 (5) |" in page and "5 ratings by 1 raters" in page


def test_without_ratings_the_page_says_how_to_get_them(table):
    rows, page = table([], [made.conversation("a")], [])
    assert not [row for row in rows if row["source"] == "run"]
    assert "nobody has rated it" in page and "| s | known | – |" in page
    assert "| campplus: cosine | campplus: 0 a stranger, 1 the same | campplus: drift |" in page

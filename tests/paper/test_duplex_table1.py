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
    def made_of(ratings: list[str], sides, scores, items=()) -> tuple[list[dict], str]:
        rated = tmp_path / "ratings.tsv"
        rated.write_text("\n".join(["rater\tsample\tscore", *ratings]) + "\n", "utf-8")
        files = [tmp_path / f"table.{end}" for end in ("csv", "md", "tex")]
        duplex_table1(
            PRINTED,
            rated,
            [written(tmp_path / "items.jsonl", items)],
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


def test_similarity_is_by_role_and_voice_and_nearest_sample(table):
    """Two roles with two voices each: role r2 disturbs the second one."""
    places = [(role, voice) for role in ("r1", "r2") for voice in ("a.wav", "b.wav")]
    items = [
        made.item(f"{role}-{voice}", scenario=role, role_prompt=f"Be {role}.", voice=voice)
        for role, voice in places
    ]
    items += [made.item("alone", collection="other", voice="c.wav")]
    values = {"r1-a.wav": 0.9, "r1-b.wav": 0.8, "r2-a.wav": 0.7, "r2-b.wav": 0.0}
    about = {"form": "corrected", "by": "campplus"}
    scores = [made.score(key, own, metric="similarity", **about) for key, own in values.items()]
    scores += [
        made.score(key, float(own > 0), metric="own_voice", **about).model_copy(
            update={"label": key[3:] if own else "a.wav"}
        )
        for key, own in values.items()
    ]
    scores += [made.score("alone", None, metric="own_voice", collection="other", **about)]
    sides = [made.conversation(item.id, collection=item.collection) for item in items]
    rows, page = table([], sides, scores, items)
    assert "| s | known | campplus | r1 | 0.90 (1) | 0.80 (1) | 0.85 |" in page
    assert "| s | known | campplus | r2 | 0.70 (1) | 0.00 (1) | 0.35 |" in page
    assert "| s | known | campplus | voice 1 | 1.00 (2) | 0.00 (2) |" in page
    assert "| s | known | campplus | voice 2 | 0.50 (2) | 0.50 (2) |" in page
    assert "one voice sample: other." in page and "| s | other | campplus |" not in page
    cells = [row for row in rows if row["metric"] == "similarity" and row["role"]]
    assert {(row["role"], row["voice"], row["n"]) for row in cells} == {
        (role, voice, "1") for role in ("r1", "r2") for voice in ("voice 1", "voice 2")
    }


def test_a_role_is_called_by_its_prompt_where_scenarios_share_it(table):
    items = [
        made.item(key, role_prompt="You enjoy having a good conversation, any time.", voice=voice)
        for key, voice in (("x", "a.wav"), ("y", "b.wav"))
    ]
    about = {"form": "corrected", "by": "campplus", "metric": "similarity"}
    scores = [made.score("x", 0.5, **about), made.score("y", None, **about)]
    _, page = table([], [made.conversation(key) for key in "xy"], scores, items)
    assert "| You enjoy having a good conversation, an | 0.50 (1) | – | 0.50 |" in page
    assert "one voice sample" not in page

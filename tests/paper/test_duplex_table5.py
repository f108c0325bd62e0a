"""Duplex Table 5: systems by their share of the training data."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from scripts.common.errors import UserError
from scripts.paper.duplex_table5 import duplex_table5
from scripts.workflow.model_spec import ModelSpec
from tests.rows import duplex as made
from tests.rows import written

PRINTED = Path("config/published/duplex_table5.tsv")


def adapter(folder: Path, card: dict) -> Path:
    folder.mkdir()
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def table(folder: Path, scores, adapters=(), systems=(), bases=()) -> tuple[str, list[dict]]:
    files = [folder / f"table.{end}" for end in ("csv", "md", "tex")]
    duplex_table5(
        PRINTED,
        [*adapters],
        [written(folder / "scores.jsonl", scores)],
        *files,
        systems=[*systems],
        bases=[*bases],
        speakers=[ModelSpec("speaker", "voices")],
        asr=[ModelSpec("asr", "ear")],
        llm=ModelSpec("llm", "openvino"),
    )
    with files[0].open(encoding="utf-8") as file:
        return files[1].read_text("utf-8"), [*csv.DictReader(file)]


def scores_of(system: str, similar: float, reply: float | None) -> list:
    about = {"system": system, "task": "interruption"}
    return [
        made.score("a", similar, metric="similarity", by="voices", **about),
        made.score("b", similar + 0.1, metric="similarity", by="voices", system=system),
        made.score("a", reply, metric="reply_score", by="openvino", **about),
        made.score("a", 1, metric="takeover", **about),
        made.score(
            "q", 4, metric="task_adherence", by="openvino", system=system, task="service",
            collection="service",
        ),
    ]  # fmt: skip


def test_systems_stand_by_their_share(tmp_path):
    half = adapter(tmp_path / "half", {"data_percent": 50})
    whole = adapter(tmp_path / "whole", {"data_percent": 100.0})
    scores = scores_of("h", 0.4, None) + scores_of("w", 0.5, 3) + scores_of("other", 0.9, 5)
    scores += scores_of("moshi", 0.1, 1)
    page, rows = table(tmp_path, scores, [half, whole], ["h", "w"], ["moshi"])
    assert "| 100 | w | known | official | 0.550 | 3.000 | – |" in page
    assert "| 50 | h | known | official | 0.450 | – (0/1) | – |" in page
    assert "| 0 | moshi | service | official | – | – | 4.000 |" in page
    assert page.index("| 100 | w") < page.index("| 50 | h") < page.index("| 0 | moshi")
    assert "other" not in {row["system"] for row in rows} and "takeover" not in str(rows)
    printed = {
        (row["data_percent"], row["metric"]): float(row["value"])
        for row in rows
        if row["source"] == "printed"
    }
    assert printed["100", "similarity"] == 0.57 and printed["0", "task_adherence"] == 1.75
    assert len(printed) == 12


def test_without_adapters_it_is_not_run(tmp_path):
    page, rows = table(tmp_path, scores_of("other", 0.9, 5))
    assert "| not run |" in page and {row["source"] for row in rows} == {"printed"}


def test_an_adapter_without_its_share_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not tell `data_percent`"):
        table(tmp_path, [], [adapter(tmp_path / "a", {})], ["s"])
    with pytest.raises(UserError, match="does not tell `data_percent`"):
        table(tmp_path, [], [tmp_path / "none"], ["s"])

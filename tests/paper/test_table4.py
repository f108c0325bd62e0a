"""Table 4: printed human means, and this run's where people have rated it."""

import pytest

from scripts.common.paths import ROOT
from scripts.paper.table4 import table4
from tests.paper.made_up import PUBLISHED, cells, outputs


def build(tmp_path, ratings):
    names = {"systems": ["good", "bare"], "roles": ["joe"]}
    table4(PUBLISHED / "table4.tsv", ratings, **outputs(tmp_path), **names)
    return cells(tmp_path / "table.csv"), (tmp_path / "table.md").read_text("utf-8")


def test_without_ratings_only_printed_means_are_shown(tmp_path):
    rows, page = build(tmp_path, ROOT / "config/human_ratings.tsv")
    assert len(rows) == 48 and {row["source"] for row in rows} == {"printed"}
    assert rows[0] | {"metric": "IA", "system": "Alibaba Cloud API", "mean": "8.61"} == rows[0]
    assert "No ratings of this run were given" in page


def test_ratings_are_averaged_over_raters_and_items(tmp_path):
    lines = ["rater system role mode idx metric score"]
    lines += ["r1 good joe single 0 IA 5", "r2 good joe single 0 IA 8", "r1 good joe multi 0 IA 8"]
    lines += ["r1 bare joe single 0 CC 3"]
    path = tmp_path / "ratings.tsv"
    path.write_text("\n".join(lines).replace(" ", "\t") + "\n", "utf-8")
    rows, page = build(tmp_path, path)
    run = {(row["metric"], row["system"]): row for row in rows if row["source"] == "run"}
    assert float(run["IA", "good"]["mean"]) == pytest.approx(7)
    assert (run["IA", "good"]["n_items"], run["IA", "good"]["n_raters"]) == ("2", "2")
    assert run["IA", "bare"]["mean"] == "" and run["IA", "bare"]["n_items"] == "0"
    assert "## This run" in page and "4 scores of 2 items by 2 raters" in page

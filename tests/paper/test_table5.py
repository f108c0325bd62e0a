"""Table 5 is recomputed from the printed Tables 2 and 4, and states how weak the evidence is."""

import pytest

from scripts.common.paths import ROOT
from scripts.paper.table5 import table5
from tests.paper.made_up import PUBLISHED, cells, dialogue, expected, files, outputs, verdicts

PRINTED = {"IA": 0.600, "CC": 0.543, "SF": 0.771, "SN": 0.371}
PRINTED |= {"PC": 0.371, "EA": 0.371, "PeC": 0.371, "KC": 0.486}
P = {0.771: 0.103, 0.600: 0.242, 0.543: 0.297, 0.486: 0.356, 0.371: 0.497}


NONE = {"systems": [], "judges": [], "metrics": []}


def build(tmp_path, ratings, scores, test=(), wanted=NONE):
    table5(
        PUBLISHED / "table5.tsv",
        PUBLISHED / "table4.tsv",
        PUBLISHED / "table2.tsv",
        ratings,
        scores,
        test,
        **outputs(tmp_path),
        systems=["s1", "s2", "s3", "s4"],
        roles=["joe"],
        about_judge=["A word on the judge."],
        expected=wanted,
    )
    rows = cells(tmp_path / "table.csv")
    return {(row["metric"], row["source"]): row for row in rows}


def test_recomputed_values_equal_the_printed_ones(tmp_path):
    rows = build(tmp_path, ROOT / "config/human_ratings.tsv", [])
    assert len(rows) == 16
    for metric, rho in PRINTED.items():
        assert float(rows[metric, "printed"]["spearman_rho"]) == rho
        found = rows[metric, "recomputed"]
        assert float(found["spearman_rho"]) == pytest.approx(rho, abs=0.0005)
        assert float(found["p_exact"]) == pytest.approx(P[rho], abs=0.0005)
        assert float(found["ci_lo"]) < rho < float(found["ci_hi"]) and found["n"] == "6"
    page = (tmp_path / "table.md").read_text("utf-8")
    assert "none of 8 correlations is significant at .05 (least exact p 0.103, n = 6" in page


def test_ratings_of_this_run_add_rows_over_the_rated_items(tmp_path):
    item, unrated = dialogue("a"), dialogue("b", idx=1)
    people = {"s1": 9, "s2": 7, "s3": 8, "s4": 2}
    judge = {"s1": 9.0, "s2": 8.0, "s3": 7.0, "s4": 1.0}
    scores = [v for name, test in judge.items() for v in verdicts(item, name, test)]
    scores += [v for name, test in judge.items() for v in verdicts(unrated, name, 10 - test)]
    lines = ["rater system role mode idx metric score"]
    lines += [f"r1 {name} joe single 0 IA {score}" for name, score in people.items()]
    lines += ["r1 s1 joe single 9 IA 1"]
    path = tmp_path / "ratings.tsv"
    path.write_text("\n".join(lines).replace(" ", "\t") + "\n", "utf-8")
    rows = build(tmp_path, path, files(tmp_path, "verdicts", scores))
    assert len(rows) == 24
    assert float(rows["IA", "run"]["spearman_rho"]) == pytest.approx(0.8)
    assert float(rows["IA", "run"]["p_exact"]) == pytest.approx(8 / 24)
    assert rows["IA", "run"]["n"] == "4" and rows["CC", "run"]["n"] == "0"
    assert rows["CC", "run"]["spearman_rho"] == ""
    page = (tmp_path / "table.md").read_text("utf-8")
    assert "1 of 5 ratings have no automatic score" in page


def test_versions_of_a_system_are_never_in_one_mean(tmp_path):
    scores = []
    for n, (system, version) in enumerate([("s1", "a"), ("s1", "b"), ("s2", None)]):
        rows = verdicts(dialogue("x", idx=n), system, 4 + n)
        scores += [v.model_copy(update={"system_version": version}) for v in rows]
    lines = ["rater system role mode idx metric score"]
    lines += [f"r1 {name} joe single {n} IA {n + 1}" for n, name in enumerate(["s1", "s1", "s2"])]
    path = tmp_path / "ratings.tsv"
    path.write_text("\n".join(lines).replace(" ", "\t") + "\n", "utf-8")
    rows = build(tmp_path, path, files(tmp_path, "verdicts", scores))
    assert rows["IA", "run"]["n"] == "3" and float(rows["IA", "run"]["spearman_rho"]) == 1
    assert "The system `s1` answered as 2 versions" in (tmp_path / "table.md").read_text("utf-8")


def test_verdicts_whose_rows_are_gone_are_told(tmp_path):
    item = dialogue("a")
    scores = [v for name in ("s1", "s2") for v in verdicts(item, name, 6)]
    path = tmp_path / "ratings.tsv"
    lines = ["rater system role mode idx metric score"]
    lines += [f"r1 {name} joe single 0 KC 5" for name in ("s1", "s2")]
    path.write_text("\n".join(lines).replace(" ", "\t") + "\n", "utf-8")
    given = files(tmp_path, "verdicts", scores[:-1])
    build(tmp_path, path, given, files(tmp_path, "test", [item]), expected(scores))
    page = (tmp_path / "table.md").read_text("utf-8")
    assert "1 of the 8 rows that results/judging/objective/s2 should have are gone" in page
    assert "1 of 2 ratings have no automatic score" in page

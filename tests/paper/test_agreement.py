"""agreement: raters with each other and with the judge, item by item."""

import numpy as np
import pytest

from scripts.common.statistics import jackknife_interval, t_interval
from scripts.paper.agreement import ALPHA, HEADER, TAU, agreement, tau_b
from tests.paper.made_up import cells, dialogue, files, outputs, verdicts

ROLES = [f"role{n}" for n in range(6)]
TOP = "rater\tsystem\trole\tmode\tidx\tmetric\tscore\n"


def run(tmp_path, ratings, rows=()):
    path = tmp_path / "ratings.tsv"
    path.write_text(TOP + "".join("\t".join(map(str, row)) + "\n" for row in ratings), "utf-8")
    found = outputs(tmp_path)
    agreement(path, files(tmp_path, "v", rows), **found, systems=["good"], roles=ROLES)
    return cells(tmp_path / "table.csv"), (tmp_path / "table.md").read_text("utf-8")


def judged(scores):
    """A role's verdicts on its one item, for each role's score."""
    return [
        row.model_copy(update={"role": role})
        for role, score in zip(ROLES, scores, strict=True)
        for row in verdicts(dialogue(role), "good", score)
    ]


def test_without_ratings_there_are_no_rows(tmp_path):
    rows, page = run(tmp_path, [])
    assert not rows and "No ratings of this run were given" in page


def test_raters_who_agree_with_each_other_and_the_judge(tmp_path):
    scores = [2, 5, 3, 8, 9, 6]
    ratings = [
        (rater, "good", role, "single", 0, "IA", score + gap)
        for rater, gap in (("ann", 0), ("bob", 0))
        for role, score in zip(ROLES, scores, strict=True)
    ]
    (alpha, tau), _ = run(tmp_path, ratings, judged(scores))
    assert list(alpha) == HEADER and (alpha["measure"], tau["measure"]) == (ALPHA, TAU)
    assert [float(alpha["value"]), float(tau["value"])] == pytest.approx([1, 1])
    assert (alpha["items"], alpha["roles"], alpha["raters"]) == ("6", "6", "2")
    assert tau["judge"] == "objective" and float(tau["ci_lo"]) == pytest.approx(1)


def test_the_opposite_order_has_tau_minus_one(tmp_path):
    ratings = [("ann", "good", role, "single", 0, "KC", 9 - n) for n, role in enumerate(ROLES)]
    (alpha, tau), _ = run(tmp_path, ratings, judged(range(2, 8)))
    assert alpha["value"] == "" and float(tau["value"]) == pytest.approx(-1)


def test_the_jackknife_of_a_mean_is_the_t_interval_of_cluster_means():
    values = np.array([[0.4, 0.9, 0.3, 0.8, 0.6]])
    found = jackknife_interval(lambda v: float(v.mean()), values, np.arange(5))
    assert found == pytest.approx(t_interval(values[0]))
    assert jackknife_interval(np.mean, values[:, :4], np.arange(4)) is None


def test_tau_is_undefined_for_one_value():
    assert tau_b(np.array([[1.0, 2, 3], [4, 4, 4]])) is None
    assert tau_b(np.array([[1.0], [4]])) is None

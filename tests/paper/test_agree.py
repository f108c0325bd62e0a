"""agree: judges versus each other, raters versus each other and judges, by system and item."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.paper.agree import HEADER, agree, of_judges, tau_b
from scripts.paper.report.statistics import jackknife_interval, t_interval
from scripts.workflow.model_spec import ModelSpec
from tests.paper.made_up import cells, dialogue, expected, files, outputs, verdicts

ROLES = [f"role{n}" for n in range(6)]
SYSTEMS = ["good", "bare", "GPT-4o-Audio"]
TOP = "rater\tsystem\trole\tmode\tidx\tmetric\tscore\n"


def run(tmp_path, ratings, rows=(), backends=("gemini",), test=()):
    path = tmp_path / "ratings.tsv"
    path.write_text(TOP + "".join("\t".join(map(str, row)) + "\n" for row in ratings), "utf-8")
    agree(
        path,
        files(tmp_path, "v", rows),
        test,
        **outputs(tmp_path),
        systems=SYSTEMS,
        roles=ROLES,
        judges={f"judge-{n}": ModelSpec("judge", name) for n, name in enumerate(backends)},
        about_judge=["A word on the judge."],
        expected=expected(rows),
    )
    found = cells(tmp_path / "table.csv")
    keyed = {(r["metric"], r["one"], r["other"], r["measure"]): r for r in found}
    assert len(keyed) == len(found)
    return keyed, (tmp_path / "table.md").read_text("utf-8")


def judged(scores, judge="objective", system="good", ref=8.0, **fields):
    """Verdicts on one item per role, for each role's score."""
    return [
        row.model_copy(update={"role": role, "judge": judge, **fields})
        for role, score in zip(ROLES, scores, strict=True)
        for row in verdicts(dialogue(role), system, score, ref)
    ]


def value(row):
    return float(row["value"])


def test_one_judge_and_no_ratings_have_no_rows(tmp_path):
    rows, page = run(tmp_path, [], judged([2, 5, 3, 8, 9, 6]))
    assert not rows and "No ratings of this run were given" in page
    assert "One judge only: `agree` in the config names others" in page


def test_raters_who_agree_with_each_other_and_the_judge(tmp_path):
    scores = [2, 5, 3, 8, 9, 6]
    ratings = [
        (rater, "good", role, "single", 0, "IA", score)
        for rater in ("ann", "bob")
        for role, score in zip(ROLES, scores, strict=True)
    ]
    rows, page = run(tmp_path, ratings, judged(scores))
    alpha = rows["IA", "raters", "raters", "Krippendorff's alpha reply"]
    assert list(alpha) == HEADER and value(alpha) == pytest.approx(1)
    assert (alpha["n"], alpha["roles"], alpha["raters"]) == ("6", "6", "2")
    tau = rows["IA", "raters", "objective", "Kendall's tau-b ratio"]
    assert value(tau) == pytest.approx(1) and float(tau["ci_lo"]) == pytest.approx(1)
    assert value(rows["IA", "raters", "objective", "Krippendorff's alpha reply"]) == 1
    systems = rows["IA", "raters", "objective", "Spearman's rho ratio"]
    assert (systems["level"], systems["n"], systems["value"]) == ("systems", "1", "")
    assert "## Raters with each other" in page and "## Raters and objective" in page


def test_people_and_a_judge_rank_systems(tmp_path):
    ratings, rows = [], []
    for system, own, level in (("good", 9, 6.0), ("bare", 7, 5.0), ("GPT-4o-Audio", 2, 7.0)):
        ratings += [("ann", system, role, "single", 0, "IA", own) for role in ROLES]
        rows += judged([level] * 6, system=system)
    found, page = run(tmp_path, ratings, rows)
    rho = found["IA", "raters", "objective", "Spearman's rho ratio"]
    assert (value(rho), rho["n"], float(rho["p_exact"])) == (-0.5, "3", pytest.approx(1))
    assert "| IA | -0.50 (p 1.000; n = 3) |" in page


def test_the_opposite_order_has_tau_minus_one(tmp_path):
    ratings = [("ann", "good", role, "single", 0, "KC", 9 - n) for n, role in enumerate(ROLES)]
    rows, _ = run(tmp_path, ratings, judged(range(2, 8)))
    assert rows["KC", "raters", "raters", "Krippendorff's alpha reply"]["value"] == ""
    assert value(rows["KC", "raters", "objective", "Kendall's tau-b ratio"]) == pytest.approx(-1)


def test_two_judges_by_system_and_by_item(tmp_path):
    """They order systems alike and items the other way round; on the winner they never agree."""
    rows = []
    for system, level in (("good", 9), ("bare", 5), ("GPT-4o-Audio", 7)):
        near = [level + n / 10 for n in range(6)]
        rows += judged(near, "one", system, 4.0) + judged(near[::-1], "two", system, 10.0)
    found, page = run(tmp_path, [], rows)
    assert len(found) == 8 * 5 and "## one and two" in page
    rho = found["SF", "one", "two", "Spearman's rho ratio"]
    assert (value(rho), float(rho["p_exact"]), rho["n"]) == (1, pytest.approx(2 / 6), "3")
    assert value(found["SF", "one", "two", "same winner"]) == 0
    tau = found["SF", "one", "two", "Kendall's tau-b ratio"]
    assert (tau["n"], tau["roles"]) == ("18", "6") and 0 < value(tau) < 1
    within = [row for row in rows if row.system == "good"]
    found, _ = run(tmp_path, [], within)
    assert value(found["SF", "one", "two", "Kendall's tau-b reply"]) == pytest.approx(-1)


def test_stand_ins_are_called_that(tmp_path):
    rows = judged(range(2, 8), "judge-0") + judged(range(2, 8), "judge-1")
    _, page = run(tmp_path, [], rows, ("objective", "gemini"))
    assert "a stand-in that measures and does not listen: `judge-0`. Such" in page
    assert "stand-in" not in run(tmp_path, [], rows, ("gemini", "gemini"))[1]


def test_items_that_one_judge_did_not_score_are_left_out(tmp_path):
    rows = judged(range(2, 8), "one") + judged(range(2, 8), "two")
    lost = {"score_test": None, "score_ref": None, "dropped": "refused"}
    rows[-1] = rows[-1].model_copy(update=lost)
    found, _ = run(tmp_path, [], rows)
    assert found["KC", "one", "two", "same winner"]["n"] == "5"
    assert found["IA", "one", "two", "same winner"]["n"] == "6"


def test_a_printed_system_pairs_with_its_ratings(tmp_path):
    ratings = [
        ("ann", "GPT-4o-Audio", role, "single", 0, "IA", n) for n, role in enumerate(ROLES, 1)
    ]
    rows, _ = run(tmp_path, ratings, judged(range(2, 8), system="GPT-4o-Audio"))
    assert rows["IA", "raters", "objective", "Kendall's tau-b ratio"]["n"] == "6"


def test_versions_of_a_judge_are_judges_and_of_a_system_systems(tmp_path):
    new = judged(range(2, 8), "one", version="a")
    new[:24] = [row.model_copy(update={"version": "b"}) for row in new[:24]]
    rows = new + judged(range(2, 8), "two")
    found, page = run(tmp_path, [], rows)
    pairs = {(one, other): row["n"] for (_, one, other, m), row in found.items() if "tau" in m}
    assert pairs == {("one [b]", "two"): "3", ("one [a]", "two"): "3"}
    assert "The judge `one` answered as 2 versions" in page


@given(st.lists(st.tuples(st.integers(1, 10), st.integers(1, 10)), min_size=1, max_size=12))
def test_a_judge_agrees_with_itself_wherever_that_is_defined(scores):
    rows = [
        verdicts(dialogue(f"i{n}"), "good", *map(float, pair))[0].model_copy(update={"idx": n})
        for n, pair in enumerate(scores)
    ]
    own = {(row.system, row.role, row.mode, row.idx): (row.system, row) for row in rows}
    found = of_judges("one", own, "two", own)
    assert found[-1]["value"] == 1
    assert all(row["value"] in (None, pytest.approx(1)) for row in found[1:-1])


def test_the_jackknife_of_a_mean_is_the_t_interval_of_cluster_means():
    values = np.array([[0.4, 0.9, 0.3, 0.8, 0.6]])
    found = jackknife_interval(lambda v: float(v.mean()), values, np.arange(5))
    assert found == pytest.approx(t_interval(values[0]))
    assert jackknife_interval(np.mean, values[:, :4], np.arange(4)) is None


def test_tau_is_undefined_for_one_value():
    assert tau_b(np.array([[1.0, 2, 3], [4, 4, 4]])) is None
    assert tau_b(np.array([[1.0], [4]])) is None


def test_rows_that_are_gone_are_told(tmp_path):
    items = [dialogue(role).model_copy(update={"role": role}) for role in ROLES]
    one = judged([2, 5, 3, 8, 9, 6], "one")
    other = judged([2, 5, 3, 8, 9, 6], "other")
    test = files(tmp_path, "test", items)
    rows, page = run(tmp_path, [], [*one, *other], ("gemini", "gemini"), test)
    whole = rows["KC", "one", "other", "Kendall's tau-b ratio"]["n"]
    rows, page = run(tmp_path, [], [*one, *other[:-1]], ("gemini", "gemini"), test)
    assert (whole, rows["KC", "one", "other", "Kendall's tau-b ratio"]["n"]) == ("6", "5")
    assert "`other`: 1 of 48 scores are missing (its row is gone: 1)." in page
    assert "`one`:" not in page

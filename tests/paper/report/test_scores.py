"""Scores from verdicts: the paper's formula, its interval, and missing scores."""

import numpy as np
import pytest
from scipy import stats

from scripts.common.errors import UserError
from scripts.paper.report.ablation import ablation_rows
from scripts.paper.report.published import PAPER_METRICS
from scripts.paper.report.scores import header, missing_rows, refuse_missing, score_rows
from tests.paper.made_up import dialogue, verdicts


def without(rows, metric, reason="the reply was empty"):
    """The rows with the scores of one metric missing."""
    lost = {"score_test": None, "score_ref": None, "dropped": reason}
    return [row.model_copy(update=lost) if row.metric == metric else row for row in rows]


def test_a_score_is_the_mean_of_ratios_not_the_ratio_of_sums():
    rows = verdicts(dialogue("a"), "good", 4, 8) + verdicts(dialogue("b"), "good", 9, 9)
    (row,) = score_rows(rows, ["all"])
    assert list(row)[: len(header(PAPER_METRICS))] == header(PAPER_METRICS)
    assert (row["language"], row["domain"], row["source"]) == ("English", "all", "run")
    assert row["IA"] == row["overall"] == pytest.approx(0.75)
    assert row["IA_n"] == 2 and row["overall_n"] == 16 and row["overall_missing"] == 0


def of_roles(number):
    """One item for each of several roles, with scores rising from 0.5."""
    return [
        row.model_copy(update={"role": f"role{n:02}"})
        for n in range(number)
        for row in verdicts(dialogue(f"i{n}"), "good", 4 + n / 10)
    ]


def test_intervals_are_t_intervals_of_role_means_from_five_roles_on():
    (row,) = score_rows(of_roles(4), ["all"])
    assert row["IA"] and row["IA_lo"] is None and row["overall_hi"] is None
    (row,) = score_rows(of_roles(5), ["all"])
    means = [(4 + n / 10) / 8 for n in range(5)]
    expected = stats.t.interval(0.95, 4, np.mean(means), stats.sem(means))
    assert (row["IA_lo"], row["IA_hi"]) == pytest.approx(expected)
    assert (row["overall_lo"], row["overall_hi"]) == pytest.approx(expected)
    assert row["IA_boot_lo"] is None


def test_the_bootstrap_stands_beside_them_from_twenty_roles_on():
    (row,) = score_rows(of_roles(20), ["all"])
    assert row["IA_lo"] < row["IA_boot_lo"] < row["IA"] < row["IA_boot_hi"] < row["IA_hi"]
    assert row["overall_boot_lo"] == pytest.approx(row["IA_boot_lo"])


def test_too_many_missing_scores_are_refused_by_name():
    rows = of_roles(20)
    lost = {"score_test": None, "score_ref": None, "dropped": "no whole reply"}
    rows[3] = rows[3].model_copy(update=lost)
    refuse_missing(rows, 0.01)  # 1 of 160
    rows[11] = rows[11].model_copy(update=lost)
    with pytest.raises(UserError) as error:
        refuse_missing(rows, 0.01)
    told = str(error.value)
    assert "2 of the 160 scores of good by objective are missing" in told
    assert "role00, single 0 (no whole reply); role01, single 0 (no whole reply)" in told
    refuse_missing(rows, 0.02)


def test_a_missing_score_is_counted_and_in_no_mean():
    rows = verdicts(dialogue("a"), "good", 4) + without(verdicts(dialogue("b"), "good", 8), "SN")
    (row,) = score_rows(rows, ["all"])
    assert row["SN"] == pytest.approx(0.5) and row["SF"] == pytest.approx(0.75)
    assert (row["SN_n"], row["SN_missing"], row["overall_missing"]) == (1, 1, 1)
    (reason,) = missing_rows(rows)
    assert reason["reason"] == "the reply was empty" and reason["n"] == 1


def test_a_metric_without_any_score_leaves_overall_empty():
    (row,) = score_rows(without(verdicts(dialogue("a"), "good", 4), "KC"), ["all"])
    assert row["KC"] is None and row["overall"] is None and row["IA"] == pytest.approx(0.5)


def test_domains_follow_the_pool_and_every_system_is_in_both():
    rows = verdicts(dialogue("a"), "good", 4) + verdicts(dialogue("b", "faye"), "good", 8)
    rows += verdicts(dialogue("c", "luyuanhang"), "bare", 8)
    found = score_rows(rows, ["in_domain", "out_of_domain"])
    scores = {(row["language"], row["domain"], row["system"]): row["IA"] for row in found}
    assert scores == {
        ("English", "in_domain", "good"): 0.5,
        ("English", "out_of_domain", "good"): 1.0,
        ("Chinese", "in_domain", "bare"): 1.0,
        ("Chinese", "out_of_domain", "bare"): None,
    }


def test_judges_are_never_mixed():
    rows = verdicts(dialogue("a"), "good", 4)
    other = [row.model_copy(update={"judge": "another", "score_test": 8.0}) for row in rows]
    assert [row["IA"] for row in score_rows(rows + other, ["all"])] == [0.5, 1.0]


def test_an_item_judged_twice_is_refused():
    rows = verdicts(dialogue("a"), "good", 4)
    with pytest.raises(UserError, match="two verdicts of objective on IA of item a by good"):
        score_rows(rows + rows[:1], ["all"])


def test_an_ablation_is_told_whichever_way_it_falls():
    rows = []
    for name, role in (("a", "joe"), ("b", "faye")):
        item = dialogue(name, role)
        rows += verdicts(item, "good", 6)
        worse = {"PeC": 4.0, "KC": 7.0}
        rows += [
            row.model_copy(update={"score_test": worse.get(row.metric, 6.0)})
            for row in verdicts(item, "bare", 6)
        ]
    rows = [row for row in rows if (row.id, row.metric, row.system) != ("b", "KC", "good")]
    pec, kc = ablation_rows(rows, {"bare": "good"})
    assert pec["metric"] == "PeC" and pec["direction"] == "lower, as expected"
    assert (pec["n"], pec["roles"], pec["lower_in"]) == (2, 2, 2)
    assert pec["difference"] == pytest.approx(-0.25)
    assert kc["direction"] == "not lower" and kc["n"] == 1
    assert len(PAPER_METRICS) == 8


def test_an_ablation_that_was_not_evaluated_says_so():
    rows = verdicts(dialogue("a"), "good", 6)
    assert {row["direction"] for row in ablation_rows(rows, {"bare": "good"})} == {"no items"}

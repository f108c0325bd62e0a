"""Scores from verdicts: the paper's formula, its interval, and scores that are missing."""

import pytest

from scripts.common.stage import UserError
from scripts.paper.ablation import ablation_rows
from scripts.paper.printed import METRICS
from scripts.paper.scores import HEADER, missing_rows, score_rows
from tests.paper.made_up import dialogue, verdicts


def without(rows, metric, reason="the reply was empty"):
    """The rows with the scores of one metric missing."""
    lost = {"score_test": None, "score_ref": None, "dropped": reason}
    return [row.model_copy(update=lost) if row.metric == metric else row for row in rows]


def test_a_score_is_the_mean_of_ratios_not_the_ratio_of_sums():
    rows = verdicts(dialogue("a"), "good", 4, 8) + verdicts(dialogue("b"), "good", 9, 9)
    (row,) = score_rows(rows, ["all"])
    assert list(row) == HEADER
    assert (row["language"], row["domain"], row["source"]) == ("English", "all", "run")
    assert row["IA"] == row["overall"] == pytest.approx(0.75)
    assert row["IA_n"] == 2 and row["overall_n"] == 16 and row["overall_missing"] == 0


def test_one_role_has_no_interval_and_two_have_one():
    one = verdicts(dialogue("a"), "good", 4) + verdicts(dialogue("b"), "good", 6)
    (row,) = score_rows(one, ["all"])
    assert row["IA_lo"] is None and row["overall_hi"] is None
    (row,) = score_rows(one + verdicts(dialogue("c", "faye"), "good", 8), ["all"])
    assert 0.625 <= row["IA_lo"] <= row["IA"] <= row["IA_hi"] <= 1
    assert (row["overall_lo"], row["overall_hi"]) == pytest.approx((row["IA_lo"], row["IA_hi"]))


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
    assert len(METRICS) == 8


def test_an_ablation_that_was_not_evaluated_says_so():
    rows = verdicts(dialogue("a"), "good", 6)
    assert {row["direction"] for row in ablation_rows(rows, {"bare": "good"})} == {"no items"}

"""differences: paired tests over roles, ranks and other scales."""

import math

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.paper.differences import HEADER, differences, rank_rows, scale_row, whole_items
from scripts.paper.report.published import PAPER_METRICS
from tests.paper.made_up import (
    PUBLISHED,
    ROLES,
    cells,
    dialogue,
    expected,
    files,
    outputs,
    verdicts,
)


def item(number, system, score, ref=8.0):
    """Eight verdicts on the only item of role `number`."""
    rows = verdicts(dialogue(f"i{number}"), system, score, ref)
    return [row.model_copy(update={"role": f"role{number:02}"}) for row in rows]


def run(tmp_path, rows, test=(), max_missing=1.0):
    differences(
        files(tmp_path, "verdicts", rows),
        [],
        PUBLISHED / "roles.tsv",
        test,
        **outputs(tmp_path),
        roles=ROLES,
        max_missing=max_missing,
        about_judge=["A word on the judge."],
        expected=expected(rows),
    )
    return cells(tmp_path / "table.csv"), (tmp_path / "table.md").read_text("utf-8")


def test_a_difference_in_every_role_is_sure(tmp_path):
    rows = [v for n in range(8) for v in item(n, "good", 8 - n % 2) + item(n, "bare", 6 - n % 2)]
    found, page = run(tmp_path, rows)
    assert list(found[0]) == HEADER
    overall = {(r["domain"], r["metric"]): r for r in found}
    row = overall["all", "IA"]
    assert float(row["difference"]) == pytest.approx(0.25)
    assert float(row["p"]) == pytest.approx(2 / 2**8)
    assert float(row["p_holm"]) == pytest.approx(8 * 2 / 2**8)
    assert float(overall["all", "overall"]["p_holm"]) == pytest.approx(2 / 2**8)
    assert "| good - bare | +0.250 (0.062) |" in page and "(0.008) | 8 | 8 |" in page
    assert len(found) == 2 * 9  # all and in_domain; no role is out of domain


def test_systems_are_compared_and_ranked_on_the_items_that_they_share(tmp_path):
    """A system that lacks the items that it is bad at is no better for it."""
    rows = [v for n in range(8) for v in item(n, "good", 8)]
    bare = [v for n in range(8) for v in item(n, "bare", 9 if n < 4 else 1)]
    lost = {"score_test": None, "score_ref": None, "dropped": "not in the released scores"}
    chosen = [v.model_copy(update=lost) if int(v.id[1:]) > 3 else v for v in bare]
    found, page = run(tmp_path, rows + chosen)
    row = next(r for r in found if (r["domain"], r["metric"]) == ("all", "overall"))
    assert (float(row["difference"]), row["roles"], row["items"]) == (-0.125, "4", "4")
    assert "| English | all | objective | bare | 1 | 4 | 4 |" in page
    half = [v.model_copy(update=lost) if v.metric == "KC" and v.id == "i0" else v for v in bare]
    found, _ = run(tmp_path, rows + half)
    assert {r["items"] for r in found if r["domain"] == "all"} == {"7"}


def test_few_roles_have_no_test(tmp_path):
    rows = [v for n in range(4) for v in item(n, "good", 8) + item(n, "bare", 6)]
    found, _ = run(tmp_path, rows)
    assert {row["p"] for row in found} == {""} and found[0]["roles"] == "4"


def test_different_judges_are_never_paired(tmp_path):
    rows = item(1, "good", 8)
    rows += [row.model_copy(update={"judge": "another"}) for row in item(1, "bare", 6)]
    found, page = run(tmp_path, rows)
    assert not found and "| English | all | another | bare | 1 |" in page


def test_ranks_have_intervals_from_twenty_roles_on():
    rng = np.random.default_rng(0)
    systems = {
        name: [v for n in range(20) for v in item(n, name, float(score + rng.uniform(-1, 1)))]
        for name, score in (("low", 3), ("high", 8), ("near", 3))
    }
    whole = {name: whole_items(rows, PAPER_METRICS) for name, rows in systems.items()}
    best, *rest = rank_rows(whole)
    assert (best["system"], best["rank"], best["span"], best["roles"]) == ("high", 1, "1 to 1", 20)
    assert {row["span"] for row in rest} <= {"2 to 3", "2 to 2", "3 to 3"}
    few = rank_rows({name: dict([*rows.items()][:19]) for name, rows in whole.items()})
    assert {row["span"] for row in few} == {"–"}


def test_other_scales_than_the_ratio():
    rows = item(1, "good", 4, 8) + item(2, "good", 8, 4) + item(3, "good", 5, 5)
    row = scale_row(rows)
    assert row["ratio"] == pytest.approx((0.5 + 2 + 1) / 3)  # skewed: equal wins and losses
    assert row["log_ratio"] == pytest.approx(0, abs=1e-12) and row["difference"] == 0
    assert row["win"] == row["tie"] == row["loss"] == pytest.approx(1 / 3)
    assert row["n"] == 24 and math.isclose(row["win"] + row["tie"] + row["loss"], 1)


def test_versions_are_compared_as_systems(tmp_path):
    rows = [v for n in range(5) for v in item(n, "good", 8) + item(n, "bare", 6)]
    rows += [v for n in range(5, 10) for v in item(n, "good", 4)]
    rows = [
        v.model_copy(update={"system_version": "2" if int(v.id[1:]) > 4 else "1"})
        if v.system == "good"
        else v
        for v in rows
    ]
    found, page = run(tmp_path, rows)
    pairs = {
        (row["system"], row["other"]): row["difference"] for row in found if row["metric"] == "IA"
    }
    assert set(pairs) == {("good [1]", "bare"), ("good [1]", "good [2]"), ("bare", "good [2]")}
    assert float(pairs["good [1]", "bare"]) == pytest.approx(0.25)
    assert pairs["bare", "good [2]"] == "" and "answered as 2 versions" in page


def test_rows_that_are_gone_are_missing(tmp_path):
    items = [dialogue(f"i{n}").model_copy(update={"role": f"role{n:02}"}) for n in range(4)]
    rows = [v for n in range(4) for v in item(n, "good", 8) + item(n, "bare", 6)]
    test = files(tmp_path, "test", items)
    _, page = run(tmp_path, rows[:-3], test)
    (line,) = [one for one in page.splitlines() if one.endswith("| 29 | 3 |") and "| all |" in one]
    assert "| bare |" in line
    with pytest.raises(UserError, match="3 of the 32 scores of bare by objective are missing"):
        run(tmp_path, rows[:-3], test, max_missing=0.01)

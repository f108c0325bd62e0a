"""People's ratings of conversations."""

from __future__ import annotations

import pytest

from scripts.common.errors import UserError
from scripts.paper.report.duplex_ratings import mean_opinion, read_sample_ratings
from scripts.rows.duplex import sample_of
from tests.rows import duplex as made

ROWS = [made.conversation(name, system=system) for name in "abcde" for system in ("s", "t")]


def table(tmp_path, *lines: str):
    path = tmp_path / "ratings.tsv"
    path.write_text("\n".join(["rater\tsample\tscore", *lines]) + "\n", encoding="utf-8")
    return path


def test_ratings_find_their_systems_again(tmp_path):
    lines = [f"ann\t{sample_of(row)}\t{4 if row.system == 's' else 2}" for row in ROWS]
    ratings = read_sample_ratings(table(tmp_path, *lines), ROWS)
    assert {(r.system, r.score) for r in ratings} == {("s", 4), ("t", 2)}
    mean, interval = mean_opinion([r for r in ratings if r.system == "s"])
    assert mean == 4 and interval == (4, 4)


def test_the_interval_is_over_items(tmp_path):
    scores = dict(zip("abcde", [1, 2, 3, 4, 5], strict=True))
    own = [row for row in ROWS if row.system == "s"]
    lines = [f"{who}\t{sample_of(row)}\t{scores[row.id]}" for row in own for who in ("ann", "bo")]
    mean, interval = mean_opinion(read_sample_ratings(table(tmp_path, *lines), ROWS))
    # t(4) = 2.776, the error of five means sqrt(2.5 / 5) = .7071
    assert mean == 3 and interval == pytest.approx((1.037, 4.963), abs=1e-3)


@pytest.mark.parametrize(
    "lines, words",
    [
        ([f"ann\t{'0' * 12}\t3"], "line 2: this run has no sample"),
        ([f"ann\t{sample_of(ROWS[0])}\t6"], "line 2"),
        ([f"ann\t{sample_of(ROWS[0])}\t3"] * 2, "line 3: ann rated sample"),
    ],
)
def test_a_bad_rating_is_refused_by_line(tmp_path, lines, words):
    with pytest.raises(UserError, match=words):
        read_sample_ratings(table(tmp_path, *lines), ROWS)

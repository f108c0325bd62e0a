"""People's ratings are accepted as given, or refused with a reason."""

import pytest

from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.paper.report.published import PAPER_METRICS
from scripts.paper.report.ratings import read_ratings

HEADER = "rater\tsystem\trole\tmode\tidx\tmetric\tscore\n"


def read(tmp_path, *lines):
    path = tmp_path / "ratings.tsv"
    path.write_text(HEADER + "".join(line.replace(" ", "\t") + "\n" for line in lines), "utf-8")
    return read_ratings(path, ["good", "bare"], ["joe", "faye"], PAPER_METRICS)


def test_the_shipped_table_is_a_header_only():
    assert read_ratings(ROOT / "config/human_ratings.tsv", [], [], []) == []


def test_ratings_are_typed(tmp_path):
    (rating,) = read(tmp_path, "r1 good joe single 0 IA 10")
    assert (rating.idx, rating.score, rating.metric) == (0, 10, "IA")


@pytest.mark.parametrize("score", ["0", "11", "8.5", "true", "NaN", ""])
def test_a_score_that_is_no_whole_number_from_1_to_10_is_refused(tmp_path, score):
    with pytest.raises(UserError, match="line 2: score"):
        read(tmp_path, f"r1 good joe single 0 IA {score}")


@pytest.mark.parametrize(
    "line, sentence",
    [
        ("r1 god joe single 0 IA 5", "no system 'god' in this run; did you mean 'good'"),
        ("r1 good joey single 0 IA 5", "no role 'joey' in this run; did you mean 'joe'"),
        ("r1 good joe single 0 XX 5", "no metric 'XX' in this run"),
        ("r1 good joe both 0 IA 5", "line 2: mode"),
        ("r1 good joe single 0 IA", "6 cells where the header has 7"),
    ],
)
def test_an_unknown_name_is_refused(tmp_path, line, sentence):
    with pytest.raises(UserError, match=sentence):
        read(tmp_path, line)


def test_an_item_that_a_rater_scored_twice_is_refused(tmp_path):
    with pytest.raises(UserError, match="r1 scored IA of joe, single 0, by good twice"):
        read(tmp_path, "r1 good joe single 0 IA 5", "r1 good joe single 0 IA 6")


def test_two_raters_may_score_the_same_item(tmp_path):
    assert len(read(tmp_path, "r1 good joe single 0 IA 5", "r2 good joe single 0 IA 6")) == 2

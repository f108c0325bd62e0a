"""Verdicts are counted against what a run should judge, not against the remaining rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.errors import UserError
from scripts.paper.report.expected import GONE, NOTHING, Expected, completed
from scripts.paper.report.scores import missing_rows, refuse_missing
from scripts.paper.report.versioned_verdicts import by_version, read_verdicts
from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import write_rows
from tests.paper.made_up import dialogue, expected, files, verdicts

ITEMS = [dialogue("a"), dialogue("b", "faye"), dialogue("c", "luyuanhang")]
ROWS = [v for item in ITEMS for system in ("good", "bare") for v in verdicts(item, system, 6)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("expected") / "test.jsonl"
    write_rows(path, ITEMS)
    return Expected([path], **expected(ROWS))


@given(st.sets(st.integers(0, len(ROWS) - 1)))
def test_whatever_is_lost_is_counted(whole, lost):
    rows, notes = completed([row for n, row in enumerate(ROWS) if n not in lost], whole)
    assert len(rows) == len(ROWS)
    gone = {(row.system, row.id, row.metric) for row in rows if row.dropped == GONE}
    assert gone == {(ROWS[n].system, ROWS[n].id, ROWS[n].metric) for n in lost}
    assert sum(row["n"] for row in missing_rows(rows)) == len(lost)
    assert bool(notes) == bool(lost)
    if lost:
        with pytest.raises(UserError, match="are missing"):
            refuse_missing(by_version(rows).verdicts, 0)


def test_a_whole_file_is_what_it_was(whole):
    assert completed(ROWS, whole) == (ROWS, [])


def test_a_row_of_a_language_that_a_system_does_not_speak_stays_a_gap(whole):
    gap = {"score_test": None, "score_ref": None, "offered": False, "dropped": "no Chinese"}
    rows = [
        row.model_copy(update=gap) if (row.system, row.id) == ("bare", "c") else row for row in ROWS
    ]
    rows, _ = completed(rows[:-1], whole)
    assert rows[-1].dropped == GONE and not rows[-1].offered
    refuse_missing(rows, 0)


def test_a_row_twice_and_a_row_of_another_run_are_refused(whole):
    with pytest.raises(UserError, match=r"results/judging/objective/good has IA of joe.*twice"):
        completed([*ROWS, ROWS[0]], whole)
    for other in ({"id": "z"}, {"system": "else"}, {"judge": "else"}):
        stray = ROWS[0].model_copy(update=other)
        with pytest.raises(UserError, match="which this run does not judge.*Delete results/"):
            completed([*ROWS, stray], whole)


def test_where_nothing_is_read_nothing_is_due(whole, tmp_path):
    assert completed(ROWS, NOTHING) == (ROWS, [])
    assert read_verdicts([], whole).verdicts == []
    told = read_verdicts(files(tmp_path, "v", ROWS[1:]), whole)
    assert len(told.verdicts) == len(ROWS) and "1 of the 24 rows" in told.notes[0]
    assert isinstance(ITEMS[0], Dialogue)

"""Figure 4: shares of the eight sub-tasks; dialogues without one are counted separately."""

import pytest

from scripts.paper.figure4 import figure4
from tests.paper.made_up import PUBLISHED, cells, dialogue, figures, files


def build(tmp_path, rows):
    given = files(tmp_path, "kept", rows)
    figure4(PUBLISHED / "figure4_task_types.tsv", given, **figures(tmp_path))
    return {(row["subtask"], row["source"]): row for row in cells(tmp_path / "figure.csv")}


def test_shares_are_of_the_classified_dialogues(tmp_path):
    rows = [dialogue("a"), dialogue("b"), dialogue("c", subtask="Reflection and Change")]
    rows += [dialogue("d", subtask=None)]
    found = build(tmp_path, rows)
    assert len(found) == 17
    assert float(found["Skills and Abilities", "run"]["percent"]) == pytest.approx(200 / 3)
    assert found["Skills and Abilities", "printed"]["percent"] == "6.38"
    assert found["unclassified", "run"]["dialogues"] == "1"
    run = [row for (name, source), row in found.items() if source == "run"]
    assert sum(int(row["dialogues"]) for row in run) == len(rows)
    assert (tmp_path / "figure.png").stat().st_size > 5000


def test_no_dialogues_have_no_percentages(tmp_path):
    assert build(tmp_path, [])["Skills and Abilities", "run"]["percent"] == ""

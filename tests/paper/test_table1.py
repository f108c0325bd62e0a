"""Table 1 shows this run's splits next to the printed ones."""

import pytest

from scripts.paper.table1 import table1
from scripts.rows.dialogues import Exchange
from tests.paper.made_up import PUBLISHED, cells, dialogue, files, outputs, spoken


def test_splits_are_counted_beside_the_printed_ones(tmp_path):
    turns = [Exchange(user="And then?", role="Then we left.")] * 2
    train = [
        dialogue("a"),
        dialogue("b", mode="multi", turns=turns),
        dialogue("c", "luyuanhang"),
        dialogue("d"),
    ]
    test = [dialogue("e", "faye")]
    speech = [
        *(spoken(row, user=36, role=72) for row in (*train[:2], *test)),
        spoken(train[2], dropped="nothing to say"),
    ]
    table1(
        PUBLISHED / "table1.tsv",
        files(tmp_path, "train", train),
        files(tmp_path, "out_of_domain", []),
        files(tmp_path, "test", test),
        files(tmp_path, "spoken", speech),
        **outputs(tmp_path),
    )
    rows = {(row["split"], row["source"]): row for row in cells(tmp_path / "table.csv")}
    assert len(rows) == 6
    assert rows["train", "printed"]["samples"] == "89461"
    assert rows["train", "printed"]["voices_matched"] == ""
    own = rows["train", "run"]
    counts = ("characters", "samples", "single_turn", "multi_turn")
    assert [own[name] for name in counts] == ["2", "4", "3", "1"]
    assert float(own["user_hours"]) == pytest.approx(0.03)
    assert float(own["character_hours"]) == pytest.approx(0.06)
    assert float(own["speech_hours"]) == pytest.approx(0.09)
    counts = ("without_speech", "synthetic", "voices_matched")
    assert [own[name] for name in counts] == ["2", "1", "2"]
    assert rows["out_of_domain", "run"]["samples"] == "0"
    assert rows["test", "run"]["characters"] == "1"
    page = (tmp_path / "table.md").read_text("utf-8")
    assert page.count("| paper (printed) |") == 3 and page.count("| this run |") == 3

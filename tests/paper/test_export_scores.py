"""Scores in the authors' two shapes; what is missing is beside them, with its reason."""

from __future__ import annotations

import csv
import json

import pytest

from scripts.paper.export_scores import export_scores
from scripts.paper.report.released import NAMES, files_of, read_released
from tests import rows as made
from tests.rows import written

METRICS = list(NAMES.values())
ROLES = [
    {"role": role, "name": role, "language": "English", "pool": "train"} for role in ("joe", "ann")
]
DIALOGUES = [
    made.dialogue(f"{role}{mode}{idx}", role, mode=mode, idx=idx)
    for role in ("joe", "ann")
    for mode in ("single", "multi")
    for idx in (0, 1)
]


def exported(home, verdicts):
    test = written(home / "test.jsonl", DIALOGUES)
    rows = written(home / "verdicts.jsonl", verdicts)
    expected = {"systems": ["mine", "yours"], "judges": ["objective"], "metrics": METRICS}
    export_scores([rows], [test], home / "scores", expected)
    with (home / "scores/missing.csv").open(encoding="utf-8", newline="") as file:
        return home / "scores", list(csv.DictReader(file))


def verdicts(**fields):
    return [
        made.verdict(row, system, metric, score_test=1 + number % 10, score_ref=9, **fields)
        for number, (row, system, metric) in enumerate(
            (row, system, metric)
            for row in DIALOGUES
            for system in ("mine", "yours")
            for metric in METRICS
        )
    ]


@pytest.mark.parametrize("shape", ["joint", "per_metric"])
def test_both_shapes_read_back_as_released_scores(shape, tmp_path):
    own = verdicts()
    folder, missing = exported(tmp_path, own)
    assert missing == []
    found = read_released(files_of(folder / shape), ROLES)
    key = lambda row: (row.system, row.role, row.mode, row.idx, row.metric)  # noqa: E731
    scores = {key(row): (row.score_test, row.score_ref) for row in found}
    assert scores == {key(row): (row.score_test, row.score_ref) for row in own}


def test_the_shapes_are_the_authors(tmp_path):
    folder, _ = exported(tmp_path, verdicts())
    flat = json.loads((folder / "joint/mine/single/joe.json").read_text("utf-8"))
    assert [item["idx"] for item in flat] == [0, 1]
    assert flat[0]["Speech_Fluency_results"] == {"reason": "made up", "score": [3, 9]}
    nested = json.loads((folder / "per_metric/mine/single/joe.json").read_text("utf-8"))
    assert len(nested) == 2 and len(nested[1]) == len(METRICS)
    assert {part["idx"] for item in nested for part in item} == {0}
    assert {key for part in nested[0] for key in part} - {"idx"} == {f"{n}_results" for n in NAMES}


def test_missing_scores_are_listed_with_their_reason_and_never_made_up(tmp_path):
    own = verdicts()
    for row in own[:8]:
        row.score_test = row.score_ref = None
        row.dropped = "no whole reply"
    folder, missing = exported(tmp_path, own[:-1])
    assert len(missing) == 9 and {row["reason"] for row in missing[:8]} == {"no whole reply"}
    assert missing[-1]["reason"] == "its row is gone"
    flat = json.loads((folder / "joint/mine/single/joe.json").read_text("utf-8"))
    assert [item["idx"] for item in flat] == [1]
    nested = json.loads((folder / "per_metric/mine/single/joe.json").read_text("utf-8"))
    assert nested[0] == [] and len(nested[1]) == len(METRICS)


def test_a_score_between_two_numbers_stays_so(tmp_path):
    own = verdicts()
    own[0].score_test = 6.5
    folder, _ = exported(tmp_path, own)
    flat = json.loads((folder / "joint/mine/single/joe.json").read_text("utf-8"))
    first = NAMES | {}
    name = next(name for name, metric in first.items() if metric == METRICS[0])
    assert flat[0][f"{name}_results"]["score"] == [6.5, 9]

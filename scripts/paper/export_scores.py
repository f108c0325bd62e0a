"""Exports scores as the paper's authors keep them, in both of their JSON shapes.

`joint/` has the flat one, an object an item with its idx; `per_metric/` has an item as a list with
an object a metric, whose idx is always 0. Whole scores read back as `released_scores`. A score that
is missing is in neither, but in missing.csv with its reason; an item without any keeps its place in
per_metric/ as an empty list.
"""

import csv
import json
from pathlib import Path
from typing import Any

from scripts.common.cells import defused
from scripts.paper.report.expected import Expected, completed
from scripts.paper.report.released import NAMES, RESULTS
from scripts.rows.jsonl import read_all
from scripts.rows.judging import Verdict
from scripts.workflow import stage

MISSING = ("system", "role", "mode", "idx", "metric", "reason")


def export_scores(
    verdicts: list[Path], test: list[Path], scores: Path, expected: dict[str, list[str]]
) -> None:
    """Write {shape}/{system}/{mode}/{role}.json and missing.csv into the folder `scores`.

    `expected` names the systems, the judge and the metrics that each of the `test` dialogues should
    have verdicts of.
    """
    rows, _ = completed(read_all(verdicts, Verdict), Expected(test, **expected))
    spelt = {metric: name for name, metric in NAMES.items()}
    order = {metric: place for place, metric in enumerate(expected["metrics"])}
    rows.sort(key=lambda row: (row.system, row.mode, row.role, row.idx, order[row.metric]))
    files: dict[tuple[str, str, str], dict[int, dict[str, Any]]] = {}
    missing = []
    for row in rows:
        item = files.setdefault((row.system, row.mode, row.role), {}).setdefault(row.idx, {})
        if row.score_test is None or row.score_ref is None:
            at = (row.system, row.role, row.mode, row.idx, row.metric, row.dropped or "")
            missing.append([defused(str(cell)) for cell in at])
            continue
        pair = [_number(row.score_test), _number(row.score_ref)]
        name = f"{spelt.get(row.metric, row.metric)}{RESULTS}"
        item[name] = {"reason": row.rationale, "score": pair}
    for (system, mode, role), items in files.items():
        flat = [{"idx": idx} | found for idx, found in items.items() if found]
        nested = [
            [{"idx": 0, name: result} for name, result in items.get(idx, {}).items()]
            for idx in range(max(items) + 1)
        ]
        for shape, document in (("joint", flat), ("per_metric", nested)):
            path = scores / shape / system / mode / f"{role}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")
    with (scores / "missing.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([MISSING, *missing])
    print(f"{len(rows) - len(missing)} scores, {len(missing)} missing: see missing.csv.")


def _number(score: float) -> float | int:
    """A score as the authors write it: whole, if it is."""
    return int(score) if score == int(score) else score


if __name__ == "__main__":
    stage.run(export_scores, globals().get("snakemake"))

"""Duplex Table 2: each measure where it belongs, no task mixed with another."""

from __future__ import annotations

import csv
from pathlib import Path

from scripts.paper.duplex_table2 import duplex_table2
from scripts.workflow.model_spec import ModelSpec
from tests.rows import duplex as made
from tests.rows import written

PRINTED = Path("config/published/duplex_table2.tsv")
MEASURING = {
    "asr": [ModelSpec("asr", "one"), ModelSpec("asr", "two")],
    "vad": ModelSpec("vad", "silero"),
    "speakers": [],
    "llm": ModelSpec("llm", "openvino"),
}


def page_of(tmp_path, scores, items=()) -> tuple[list[dict], str]:
    files = [tmp_path / f"table.{end}" for end in ("csv", "md", "tex")]
    duplex_table2(
        PRINTED,
        [written(tmp_path / "items.jsonl", items)],
        [written(tmp_path / "scores.jsonl", scores)],
        *files,
        measuring=MEASURING,
    )
    with files[0].open(encoding="utf-8") as file:
        return list(csv.DictReader(file)), files[1].read_text("utf-8")


def test_takeover_is_by_task_form_and_recogniser(tmp_path):
    scores = [
        made.score(f"{task}{n}", value, task=task, by=by, form=form)
        for task, value in (("pause", 0.0), ("turn", 1.0))
        for by in ("one", "two", "activity")
        for form in ("official", "corrected")
        for n in range(4)
    ]
    scores += [made.score("turn9", None, task="turn", by="one")]
    scores += [made.score("turn0", 0.25, metric="takeover_spread", by="all")]
    rows, page = page_of(tmp_path, scores)
    own = [row for row in rows if row["source"] == "run" and row["metric"] == "takeover"]
    assert {(row["task"], float(row["value"])) for row in own} == {("pause", 0), ("turn", 1)}
    # The first recogniser fills the wide grid; a gap is counted.
    assert "1.000 (4/5)" in page
    assert "| s | known | turn | official | 1.000 (4/5) | 1.000 | – | 1.000 | 0.250 |" in page


def test_printed_rows_say_where_they_are_printed(tmp_path):
    rows, page = page_of(tmp_path, [])
    sources = {row["source"] for row in rows}
    assert sources == {
        "printed: paper",
        "printed: released model card",
        "printed: benchmark readme",
    }
    assert "PersonaPlex-7b-v1 (released model card)" in page
    # Empty printed cells are no zeros.
    omni = [row for row in rows if row["system"] == "Qwen2.5-Omni"]
    assert {row["metric"] for row in omni} == {"reply_score", "interruption_latency"}


def test_turn_taking_has_a_row_a_task(tmp_path):
    about = {"form": "corrected", "by": "activity"}
    scores = [
        made.score("a", 0.4, task="interruption", metric="stop_latency", **about),
        made.score("b", 1.0, task="noise", metric="kept_talking", **about),
    ]
    _, page = page_of(tmp_path, scores)
    assert "| s | known | interruption | 0.400 | – | – |" in page
    assert "| s | known | noise | – | – | 1.000 |" in page


def test_items_that_could_not_be_used_are_counted(tmp_path):
    items = [made.item("a"), made.item("b", dropped="no sound")]
    assert "are in no number above" not in page_of(tmp_path, [], items[:1])[1]
    assert "results/duplex/items): known: 1 of 2." in page_of(tmp_path, [], items)[1]


def test_overlaps_have_shares_of_behaviours_by_form(tmp_path):
    """Four interruptions: respond twice, resume, one that could not be read."""
    about = {"task": "interruption", "metric": "behaviour", "by": "judge"}
    scores = [
        made.score(str(n), float(label == "respond"), **about).model_copy(update={"label": label})
        for n, label in enumerate(("respond", "respond", "resume"))
    ]
    scores += [made.score("3", None, **about)]
    active = {"task": "bystander", "form": "corrected", "by": "activity"}
    scores += [made.score("b", 1.0, metric="behaviour", label="went_on", **active)]
    scores += [made.score("b", -0.5, metric="talk_change", **active)]
    scores += [
        made.score("0", 2.0, task="interruption", metric="stop_latency", by="activity"),
        made.score("0", 0.5, task="interruption", metric="stop_latency", by="activity").model_copy(
            update={"form": "corrected"}
        ),
    ]
    rows, page = page_of(tmp_path, scores)
    assert (
        "| s | known | user interrupts | 0.667 (3/4) | 0.333 (3/4) | 0.000 (3/4) | 0.000 (3/4) "
        "| 2.000 |"
    ) in page
    assert "| s | known | user talks to another | 1.000 | 0.000 | 0.000 | – | -0.500 |" in page
    # The published stop latency is not among the measures of two tracks.
    assert "| s | known | interruption | 0.500 | – | – |" in page
    share = {
        row["metric"]: row["value"] for row in rows if row["metric"].startswith("behaviour: r")
    }
    assert {key: round(float(own), 3) for key, own in share.items()} == {
        "behaviour: respond": 0.667, "behaviour: resume": 0.333,
    }  # fmt: skip

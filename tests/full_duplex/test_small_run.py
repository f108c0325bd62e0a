"""`snakemake duplex` in its smallest form, on the embedded models, and its recordings scored again.

Not part of `make test`: `make test-duplex` (5 minutes).
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
import soundfile

from scripts.common import audio
from scripts.rows.duplex import Conversation, DuplexItem, DuplexScore
from scripts.rows.jsonl import read_rows

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--configfile", str(ROOT / "tests/config/small_duplex.yaml"))
CONTROLS = ("silent", "always_talking", "echo")


@pytest.fixture(scope="module")
def run(snakemake, tmp_path_factory) -> Path:
    """The folder of a whole run."""
    folder = tmp_path_factory.mktemp("duplex")
    snakemake("duplex", *SMALL, directory=folder)
    return folder


def scores(run: Path, system: str, collection: str = "known") -> dict[tuple, DuplexScore]:
    rows = read_rows(run / f"results/duplex/scores/{system}/{collection}.jsonl", DuplexScore)
    return {(row.task, row.metric, row.form, row.by): row for row in rows}


def takeover(run: Path, system: str, task: str, by: str = "activity") -> float | None:
    return scores(run, system)[task, "takeover", "corrected", by].value


def test_a_second_run_has_nothing_to_do(run, snakemake):
    assert "Nothing to be done" in snakemake("duplex", *SMALL, directory=run)


def test_every_side_is_as_long_as_the_users(run):
    for system in ("cascade_duplex", *CONTROLS):
        for collection in ("known", "service"):
            place = f"results/duplex/conversations/{system}/{collection}"
            items = read_rows(run / f"results/duplex/items/{collection}.jsonl", DuplexItem)
            sides = read_rows(run / f"{place}.jsonl", Conversation)
            assert [side.id for side in sides] == sorted(item.id for item in items)
            lengths = {item.id: item.seconds for item in items}
            for side in sides:
                assert side.dropped is None and side.resized == 0
                found = soundfile.info(run / place / str(side.audio)).duration
                assert found == pytest.approx(lengths[side.id], abs=0.001)


def test_each_control_is_where_it_belongs(run):
    for task in ("pause", "turn", "interruption", "backchannel"):
        assert takeover(run, "silent", task) == 0
    for task in ("pause", "backchannel"):
        assert takeover(run, "always_talking", task) == 1
    # It never stops, so that it never answers an interruption, and goes on through everything.
    row = scores(run, "always_talking")["interruption", "takeover", "corrected", "activity"]
    assert row.value == 0 and "never stopped" in row.note
    for task in ("user_backchannel", "bystander", "noise"):
        assert (
            scores(run, "always_talking")[task, "kept_talking", "corrected", "activity"].value == 1
        )
        behaviour = scores(run, "always_talking")[task, "behaviour", "corrected", "activity"]
        assert behaviour.label == "went_on"
    # The user's own words come back in the middle of them.
    assert takeover(run, "echo", "backchannel") == 1
    assert scores(run, "echo")["turn", "false_starts", "corrected", "activity"].value >= 1


def test_a_cascade_takes_turns(run):
    """It answers after a turn, with words that recognisers hear, and is silent in pauses."""
    own = scores(run, "cascade_duplex")
    assert own["turn", "takeover", "official", "faster_whisper whisper-base"].value == 1
    latency = own["turn", "response_latency", "corrected", "activity"].value
    assert latency is not None and 0.3 < latency < 5
    assert own["turn", "false_starts", "corrected", "activity"].value == 0
    rated = scores(run, "cascade_duplex", "service")
    adherence = rated["service", "task_adherence", "official", "openvino qwen2.5-0.5b"]
    assert adherence.value is None or 0 <= adherence.value <= 5


def test_voices_are_compared_by_two_models(run):
    for system, own in (("always_talking", True), ("silent", False)):
        found = scores(run, system)
        for by in ("campplus", "resemblyzer"):
            row = found["turn", "similarity", "official", by]
            assert (row.value is not None) == own
            nearest = scores(run, system, "service")["service", "own_voice", "corrected", by]
            assert (nearest.value is not None) == own


def test_tables_and_figure_tell_printed_from_run(run):
    paper = run / "results/paper"
    for name in ("duplex_table1", "duplex_table2", "duplex_table4"):
        with (paper / f"{name}.csv").open(encoding="utf-8") as file:
            sources = {row["source"].split(":")[0] for row in csv.DictReader(file)}
        assert sources == {"printed", "run"}, name
    with (paper / "duplex_figure.csv").open(encoding="utf-8") as file:
        kinds = {(row["task"], row["kind"]) for row in csv.DictReader(file)}
    assert ("interruption", "interruption") in kinds and ("turn", "speech") in kinds
    assert (run / "results/duplex/sheet/sheet.tsv").read_text("utf-8").count("\n") == 1 + 2 * 4 * 2


def test_recorded_sides_score_as_the_system_did(run, snakemake, tmp_path):
    """The cascade's own sides, recorded where the items lie, get the same scores from its sound."""
    items = read_rows(run / "results/duplex/items/known.jsonl", DuplexItem)
    place = run / "results/duplex/conversations/cascade_duplex/known"
    sides = {row.id: row for row in read_rows(place.with_suffix(".jsonl"), Conversation)}
    for item in items:
        home = tmp_path / "theirs" / Path(item.audio).parent
        home.mkdir(parents=True)
        side = sides[item.id]
        sound, rate = soundfile.read(place / str(side.audio), dtype="float32")
        audio.write(home / "output.wav", sound, rate)
    again = tmp_path / "again"
    again.mkdir()
    for kept in ("results/duplex/items", "cache"):
        shutil.copytree(run / kept, again / kept)
    recorded = f"duplex={{recorded: {{theirs: {{known: {tmp_path / 'theirs'}}}}}}}"
    target = "results/duplex/scores/theirs/known.jsonl"
    snakemake(target, *SMALL, "--config", recorded, "--rerun-triggers", "mtime", directory=again)
    new = scores(again, "theirs")
    old = scores(run, "cascade_duplex")
    assert {key: (row.value, row.dropped) for key, row in new.items()} == {
        key: (row.value, row.dropped)
        for key, row in old.items()
        if key[3] != "own text" and key[1] != "takeover_spread"
    } | {key: (row.value, row.dropped) for key, row in new.items() if key[1] == "takeover_spread"}

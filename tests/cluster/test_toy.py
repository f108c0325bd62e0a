"""The toy workflow on SLURM, its head killed in mid-run and then resumed, compared with an
undisturbed local run (conftest.py runs both in parallel with the other tests)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


def outputs(printed: str) -> dict[str, tuple[str, list[str]]]:
    """Snakemake's id of each job that a head started -> (its rule, its outputs)."""
    found = {}
    for block in re.split(r"(?=^(?:local)?rule )", printed, flags=re.MULTILINE)[1:]:
        rule = re.match(r"(?:local)?rule (\w+):", block).group(1)
        made = re.search(r"^    output: (.*)$", block, re.MULTILINE)
        number = re.search(r"^    jobid: (\d+)$", block, re.MULTILINE).group(1)
        found[number] = (rule, made.group(1).split(", ") if made else [])
    return found


def finished(printed: str) -> set[str]:
    """The outputs of the jobs that a head saw succeed."""
    numbers = re.findall(r"^Finished jobid: (\d+) ", printed, re.MULTILINE)
    return {path for number in numbers for path in outputs(printed)[number][1]}


def files(folder: Path) -> dict[str, bytes]:
    """All files under a folder's results/, by path; without the durations of replies."""
    root = folder / "results"
    found = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    for path in found:
        if path.startswith("systems/") and path.endswith(".jsonl"):
            found[path] = re.sub(rb'"(latency|rtf)": ?[\d.]+', b"", found[path])
    return found


def test_it_was_killed_in_mid_run(toy):
    before = finished(toy.first.printed())
    assert "results/roles/profiles.jsonl" in before and "results/paper/table2.csv" not in before
    assert toy.orphans  # SLURM went on with what the dead head had submitted


def test_nothing_finished_is_done_again(toy):
    """Neither by its number among the jobs nor by the time of its files."""
    before = finished(toy.first.printed())
    after = {path for _, made in outputs(toy.second.printed()).values() for path in made}
    assert before and after and not before & after
    kept = {path: when for path, when in toy.times.items() if path in before}
    now = {path: (toy.second.folder / path).stat().st_mtime_ns for path in kept}
    assert kept and now == kept


def test_no_output_has_two_writers(toy):
    """No job of the first head was left in SLURM when the second began; each job was done once."""
    assert toy.left == {}
    ended = re.findall(r"^Finished jobid: (\d+) ", toy.second.printed(), re.MULTILINE)
    assert len(ended) == len(set(ended)) > 0


def test_every_job_that_asks_no_service_ran_in_slurm(toy):
    printed = toy.first.printed() + toy.second.printed()
    done = {rule for rule, made in outputs(printed).values() if made}
    sent = {path.name.removeprefix("rule_") for path in toy.second.folder.glob("logs/slurm/rule_*")}
    assert done == sent and len(done) > 20


def test_the_splits_that_are_spoken_were_one_array(toy):
    """In the real workflow too: killed as one, and gone on with as one."""
    array = re.compile(r"tasks 1 to 3 of the SLURM array \d+ \(logs: .*/rule_speak/")
    assert all(array.search(head.printed()) for head in (toy.first, toy.second))


@pytest.mark.parametrize("kind", ["csv", "md", "tex", "svg", "png", "pdf"])
def test_tables_and_figures_equal_an_undisturbed_run(toy, kind):
    alone, killed = (
        {path: text for path, text in files(folder).items() if path.endswith(f".{kind}")}
        for folder in (toy.local, toy.second.folder)
    )
    assert len(alone) >= 3 and alone == killed


def test_all_other_results_equal_an_undisturbed_run(toy):
    alone, killed = files(toy.local), files(toy.second.folder)
    assert set(alone) == set(killed)
    assert [path for path in alone if alone[path] != killed[path]] == []

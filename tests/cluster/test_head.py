"""The head process is stopped or dies while jobs of the three rules are in SLURM."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

from tests.cluster.conftest import ROOT, THREE
from tests.cluster.slurm import client, name_of, queue, until

PLAIN = [f"many/plain{n}.txt" for n in range(2)]
GATES = [f"many/gate{n}.txt" for n in range(3)]  # wait until the file `open` is there
LAST = [f"infer/gate{n}.txt" for n in range(3)]
WANTED = ("--snakefile", str(THREE), *PLAIN, *LAST)


def at_the_gates(run) -> bool:
    """Whether what can end has ended, according to SLURM and the head, and the others work."""
    begun = len(list(run.folder.glob("diary/many-gate*.json")))
    done = run.printed().count("(Rule: many)")
    return (
        begun >= len(GATES) and done == len(PLAIN) and run.running() == ["rule_many"] * len(GATES)
    )


def writers(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in folder.glob("diary/*.json")]


def test_ctrl_c_ends_all_jobs_and_nothing_else(head, tmp_path):
    first = head(tmp_path, *WANTED)
    until(lambda: at_the_gates(first), 120, first.printed()[-3000:])
    first.process.send_signal(signal.SIGINT)
    assert first.ends(60) != 0
    until(lambda: not queue(first.run_id()), 30, "jobs do not end")
    halted = [one for one in writers(tmp_path) if one["end"] is None]
    assert len(halted) == len(GATES)
    until(lambda: not any(alive(one["pid"]) for one in halted), 10, "scripts do not end")
    assert all((tmp_path / path).exists() for path in PLAIN)
    assert not any((tmp_path / path).exists() for path in GATES)


def alive(pid: int) -> bool:
    return name_of(pid).startswith("python")


def test_a_killed_head_is_gone_on_with(head, tmp_path):
    """Its jobs go on; once they are cancelled by its name, a second head does what is left."""
    first = head(tmp_path, *WANTED)
    until(lambda: at_the_gates(first), 120, first.printed()[-3000:])
    finished = {path: (tmp_path / path).stat().st_mtime_ns for path in PLAIN}
    first.process.send_signal(signal.SIGKILL)
    assert first.ends(10) == -signal.SIGKILL
    assert len(queue(first.run_id())) == len(GATES)  # they go on, for nobody

    refused = head(tmp_path, *WANTED)
    assert refused.ends(60) == 1 and "--unlock" in refused.printed()
    client("scancel", f"--name={first.run_id()}")
    until(lambda: not queue(first.run_id()), 30, "jobs do not end")
    assert head(tmp_path, *WANTED, "--unlock").ends(60) == 0

    (tmp_path / "open").touch()
    second = head(tmp_path, *WANTED)
    assert second.ends(240) == 0
    assert second.run_id() != first.run_id()
    assert all((tmp_path / path).exists() for path in [*GATES, *LAST])
    assert {path: (tmp_path / path).stat().st_mtime_ns for path in PLAIN} == finished
    wrote = [one["output"] for one in writers(tmp_path) if one["end"]]
    assert sorted(wrote) == sorted([*PLAIN, *GATES, *LAST])  # each was written once


def test_what_is_missing_is_told_before_anything_is_submitted(head, tmp_path, monkeypatch):
    """`snakemake --profile slurm all`, the paper, on a machine that has nothing it needs."""
    monkeypatch.setenv("SPEECHROLE_WEIGHTS", str(tmp_path / "weights"))
    paper = head(tmp_path / "run", "all", overrides=False)
    assert paper.ends(120) == 1
    printed = paper.printed()
    for lack in ("weights  qwen2.5-omni-7b", "media    ", "key      OPENAI_API_KEY"):
        assert lack in printed
    assert printed.rstrip().endswith("Nothing was run: what is listed above is missing.")
    assert "SLURM run ID" not in printed
    assert not (paper.folder / "results").exists()


def test_the_block_for_a_site_is_understood_when_filled_in(head, tmp_path):
    """Every line of it that is commented out is one that Snakemake and its plugin know."""
    profile = (ROOT / "profiles/slurm/config.yaml").read_text("utf-8")
    before, block, after = re.split(r"(?=^# --- )", profile, flags=re.MULTILINE)
    title, _, lines = block.partition("\n")
    filled, count = re.subn(r"^( *)# ", r"\1", lines, flags=re.MULTILINE)
    assert count >= 6
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile/config.yaml").write_text(f"{before}{title}\n{filled}{after}", "utf-8")
    site = ("--profile", str(tmp_path / "profile"), "--dry-run", "--debug-dag")
    planned = head(tmp_path / "run", *site, *WANTED, overrides=False)
    assert planned.ends(60) == 0
    for asked in ("slurm_account=lab", "slurm_partition=main", "slurm_extra=--exclude=node7"):
        assert asked in planned.printed()


def test_a_run_with_more_ready_jobs_than_it_may_submit_goes_on(head, tmp_path):
    """One at a time of three: the plugin alone forgets it, as others are ready, and never ends."""
    items = [f"many/plain{n}.txt" for n in range(3)]
    run = head(tmp_path, "--snakefile", str(THREE), *items, "--jobs", "1")
    assert run.ends(240) == 0
    assert sorted(one["output"] for one in writers(tmp_path)) == items

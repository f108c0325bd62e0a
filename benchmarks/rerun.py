"""A no-op run and a killed run (`python -m benchmarks.rerun`).

A synthetic workflow whose rules resemble those of rules/ (a stage as script, logs, benchmarks,
params with a code digest, resources), in chains of five, with the settings of profiles/default.

    nothing to do           1,000 and 5,000 existing files, versus a workflow of one file
    jobs of a killed run    kill -9 of Snakemake and its jobs in mid-run, then the rest; versus the
                            jobs of an undisturbed run. Jobs that were running are repeated.
"""

from __future__ import annotations

import base64
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import Figure, best, show
from scripts.common.paths import ROOT

STAGES, TOGETHER, CHAINS = 5, 2, 20
SNAKEFILE = """
from scripts.workflow import code_digest
from scripts.workflow.model_spec import ModelSpec

STAGES, CHAINS = {stages}, {chains}


def before(stage):
    return f"results/{{stage - 1}}/{{{{chain}}}}.jsonl" if stage else "first.jsonl"


rule all:
    input:
        expand(f"results/{{STAGES - 1}}/{{{{chain}}}}.jsonl", chain=range(CHAINS)),


for stage in range(STAGES):

    rule:
        name:
            f"work{{stage}}"
        input:
            rows=before(stage),
        output:
            made=f"results/{{stage}}/{{{{chain}}}}.jsonl",
        log:
            f"logs/work{{stage}}/{{{{chain}}}}.log",
        benchmark:
            f"logs/work{{stage}}/{{{{chain}}}}.tsv"
        threads: 1
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=60,
        params:
            model=ModelSpec("vad", "silero"),
            code=code_digest.code("corpus/segment"),
        script:
            "work.py"
"""
SCRIPT = """
from pathlib import Path

from scripts.workflow import stage


def work(rows: Path, made: Path, model: dict) -> None:
    with Path("begun").open("a") as begun:
        begun.write(f"{made}\\n")
    made.write_text(rows.read_text())


stage.run(work, globals().get("snakemake"))
"""


def figures() -> Iterator[Figure]:
    with TemporaryDirectory() as name:
        least = idle(Path(name, "least"), 1, stages=1)
        for files, times in ((1000, 1.5), (5000, 3)):  # most of the time Snakemake starts
            taken = idle(Path(name, str(files)), files // STAGES)
            what = f"{files} files, nothing to do (s); one file"
            yield Figure(what, taken, least, f"ratio <= {times}")
        whole, killed = Path(name, "whole"), Path(name, "killed")
        workflow(whole, CHAINS)
        assert snakemake(whole).wait() == 0
        workflow(killed, CHAINS)
        interrupt(killed, random.Random(0).randint(20, 60))
        assert snakemake(killed, "--unlock").wait() == 0
        assert snakemake(killed).wait() == 0
        yield Figure(
            "jobs of a killed run, undisturbed", begun(killed), begun(whole), "ratio <= 1.02"
        )


def workflow(folder: Path, chains: int, stages: int = STAGES) -> None:
    """Create a folder with the workflow and the default profile."""
    profile = folder / "profiles/default"
    profile.mkdir(parents=True)
    shutil.copy(ROOT / "profiles/default/config.yaml", profile)
    describe(folder, chains, stages)
    (folder / "work.py").write_text(SCRIPT, "utf-8")
    (folder / "first.jsonl").write_text("{}\n", "utf-8")


def describe(folder: Path, chains: int, stages: int) -> None:
    (folder / "Snakefile").write_text(SNAKEFILE.format(stages=stages, chains=chains), "utf-8")


def snakemake(folder: Path, *options: str) -> subprocess.Popen:
    """Start Snakemake in its own process group; its output goes to a file."""
    command = [str(Path(sys.executable).with_name("snakemake")), "--cores", str(TOGETHER), *options]
    with (folder / "told").open("w") as told:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdout=told,
            stderr=told,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )


def idle(folder: Path, chains: int, stages: int = STAGES) -> float:
    """Seconds that Snakemake takes if every file exists.

    Only one chain is run; the files of the others, and Snakemake's records of them, are copies.
    """
    workflow(folder, 1, stages)
    assert snakemake(folder).wait() == 0
    memory = folder / ".snakemake/metadata"
    for stage in range(stages):
        record = (memory / remembered(stage, 0)).read_text("utf-8")
        for chain in range(1, chains):
            (folder / f"results/{stage}/{chain}.jsonl").write_text("{}\n", "utf-8")
            own = record.replace("/0.jsonl", f"/{chain}.jsonl").replace("/0.log", f"/{chain}.log")
            (memory / remembered(stage, chain)).write_text(own, "utf-8")
    describe(folder, chains, stages)
    (taken,) = best([lambda: snakemake(folder).wait()], 2)
    told = (folder / "told").read_text("utf-8")
    assert "Nothing to be done" in told and begun(folder) == stages, told[-2000:]
    return taken


def remembered(stage: int, chain: int) -> str:
    """The name of Snakemake's record of an output."""
    return base64.b64encode(f"results/{stage}/{chain}.jsonl".encode()).decode()


def interrupt(folder: Path, jobs: int) -> None:
    """Kill Snakemake and its jobs once `jobs` jobs have started."""
    process = snakemake(folder)
    while begun(folder) < jobs and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def begun(folder: Path) -> int:
    """The number of jobs that have started."""
    path = folder / "begun"
    return len(path.read_text("utf-8").splitlines()) if path.exists() else 0


if __name__ == "__main__":
    sys.exit(show(figures()))

"""Overhead of the workflow over its bare scripts (`python -m benchmarks.pipeline`).

The workload is the corpus of tests/config/toy.yaml: seven stages in sequence, each a rule. The bare
side runs the same stages with the same arguments as `python -m scripts.<phase>.<stage>`, one
process per stage. Both sides start in an empty folder, with downloaded packages cached. The target
is 1.25 times the bare run plus 2 s for Snakemake's start.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import Figure, show
from scripts.common.paths import ROOT
from scripts.workflow.model_spec import ModelSpec

TOY = ROOT / "tests/config/toy.yaml"
TARGET, FIRST = "corpus", "results/corpus/media/toy.jsonl"
KINDS = "media truth audio vocals turns segments quality transcripts".split()
ROUNDS = 2


def figures() -> Iterator[Figure]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        stages = commands(folder / "graph", TARGET)
        by_rules(folder / "cache", FIRST)  # downloads
        rules, bare = folder / "rules", folder / "bare"
        taken = [(by_rules(rules, TARGET), timed(bare, stages)) for _ in range(ROUNDS)]
        assert made(rules) == made(bare)
    ours, peer = map(min, zip(*taken, strict=True))
    target = f"ours <= {1.25 * peer + 2:.1f}"
    yield Figure(f"{len(stages)} stages by Snakemake (s), run bare", ours, peer, target)


def by_rules(folder: Path, target: str) -> float:
    """Seconds that Snakemake takes for `target` in an empty folder."""
    program = str(Path(sys.executable).with_name("snakemake"))
    places = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command = [program, target, *places, "--configfile", str(TOY), "--cores", "2", "--quiet", "all"]
    return timed(folder, [command])


def timed(folder: Path, commands: list[list[str]]) -> float:
    """Seconds that `commands` take, run one after another in an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for kind in KINDS:
        (folder / "results/corpus" / kind).mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    begun = time.perf_counter()
    for command in commands:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)[:200]}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - begun


def commands(folder: Path, target: str) -> list[list[str]]:
    """The stages behind `target` as commands, in the order of the workflow's own graph.

    Snakemake does not expose the parameters of its jobs, so its graph is built and read here.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        Quietness,
        ResourceSettings,
    )

    folder.mkdir()
    with (
        contextlib.redirect_stdout(io.StringIO()),
        SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api,
    ):
        workflow = api.workflow(
            ResourceSettings(cores=2),
            ConfigSettings(configfiles=[TOY]),
            snakefile=ROOT / "Snakefile",
            workdir=folder,
        )
        workflow.dag(DAGSettings(targets={target})).summary()
        graph = workflow._workflow.dag
        jobs = [job for level in graph.toposorted() for job in level if job.is_script]
        return [command(job) for job in jobs]


def command(job) -> list[str]:
    """The command that runs the job's stage; its parameters have the same names as the rule's."""
    path = (ROOT / "rules" / job.rule.script).resolve()
    words = [sys.executable, "-m", ".".join(path.relative_to(ROOT).with_suffix("").parts)]
    given = [*job.input.items(), *job.output.items(), *job.params.items()]
    for name, value in given:
        if name != "code":
            words += ["--" + name.replace("_", "-"), *as_words(value)]
    return words


def as_words(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return list(value)
    return [json.dumps(plain(value))]


def plain(value: object) -> object:
    """The value as JSON can hold it: a model as its fields."""
    if isinstance(value, ModelSpec):
        options = {key: plain(option) for key, option in value.options.items()}
        return {**value._asdict(), "options": options}
    return value


def made(folder: Path) -> dict[str, bytes]:
    """The row files that a side has written, with their contents."""
    rows = (folder / "results/corpus").rglob("*.jsonl")
    return {str(path.relative_to(folder)): path.read_bytes() for path in rows}


if __name__ == "__main__":
    sys.exit(show(figures()))

"""Shared fixtures: a run of Snakemake, and a folder whose run calls services."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from scripts.common import job
from scripts.services import client, keys

ROOT = Path(__file__).resolve().parents[1]

# Files that take minutes each. What test_any_cpu.py imports is compiled by those before it: in its
# emulation that takes five times as long.
LONGEST = [
    "test_workflow.py",
    "test_spoken_benchmark.py",
    "test_tiny_workflow.py",
    "test_any_cpu.py",
]


def pytest_collection_modifyitems(items):
    """The longest files come first, so that processes that share the tests end together."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture(autouse=True)
def keys_of_one_test(monkeypatch):
    """The keys of one test's services are not keys in the next test."""
    monkeypatch.setattr(keys, "_known", dict(keys._known))


@pytest.fixture(scope="session")
def snakemake():
    """Runs snakemake as a user would, in its own folder, and returns its output."""

    def run(*arguments: str, directory: Path, ok: bool = True) -> str:
        command = [
            str(Path(sys.executable).with_name("snakemake")),
            *("--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(directory), "--cores", "2"),
            *arguments,
        ]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=1800
        )
        printed = done.stdout + done.stderr
        assert (done.returncode == 0) == ok, printed[-6000:]
        return printed

    return run


@pytest.fixture
def screen():
    """The screen output that a user of the test's job sees."""
    with job.entered(replace(job.current(), screen=io.StringIO())):
        yield job.current().screen


@pytest.fixture
def services(tmp_path, monkeypatch):
    """A working folder whose run calls services; function (**rules) -> None changes its rules.

    The rules are the section `services` of config/config.yaml, with waits that suit a test, and
    `max_usd`. Nothing on this machine costs money; `hosts` is empty.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
    config["services"] |= {"timeout": 10, "deadline": 30}

    def change(max_usd=None, **rules) -> None:
        config["max_usd"] = {"all": None} if max_usd is None else max_usd
        config["services"] |= rules
        (tmp_path / "results").mkdir(exist_ok=True)
        (tmp_path / "results/run_config.yaml").write_text(yaml.safe_dump(config), "utf-8")

    change()
    with job.entered(replace(job.current(), config=config)):
        yield change

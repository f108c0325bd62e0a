"""What several tests use: a recording of real speech, and a run of the toy workflow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def snakemake():
    """Runs snakemake as a user types it, in a folder of its own, and returns what it printed."""

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

"""Hooks into Snakemake's private parts fail loudly if one is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.workflow import guards

CHANGED = """
import sys
import snakemake.cli
from snakemake import rules, workflow
{change}
snakemake.cli.main(sys.argv[1:])
"""


def refusal(tmp_path, change: str, *arguments: str) -> str:
    """The output of a dry run with a modified Snakemake."""
    command = [sys.executable, "-c", CHANGED.format(change=change), "-n", "compare"]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path), *arguments]
    environment = {key: value for key, value in os.environ.items() if "PYTEST" not in key}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", ["Workflow._build_dag", "Workflow.touch"])
def test_without_a_part_of_the_preflight_nothing_runs(name, tmp_path):
    assert gone(name) in refusal(tmp_path, f"del workflow.{name}")


def test_without_the_environment_of_a_rule_nothing_runs(tmp_path):
    unread = "rules.Rule.conda_env = property(None, lambda rule, value: None)"
    said = refusal(tmp_path, unread, "--config", "built_environments=True")
    assert gone("Rule.conda_env") in said


def gone(name: str) -> str:
    tested = guards.tested("snakemake")
    return (
        f"snakemake {version('snakemake')} has no {name}, which this project uses; tested is "
        f"{tested}: pip install -r envs/core.txt"
    )


def test_a_part_may_lie_inside_another():
    assert guards.part(os, "path.join") is os.path.join
    with pytest.raises(UserError, match="has no os.path.joint, .*: pip install -r envs/core.txt"):
        guards.part(os, "path.joint")


def test_the_locked_snakemake_is_the_tested_one():
    lock = (ROOT / "envs/core.txt").read_text("utf-8").splitlines()
    assert f"snakemake=={guards.tested('snakemake')}" in lock

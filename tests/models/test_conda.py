"""`snakemake --sdm conda` with the project's own envs/*.yaml, through a stand-in for conda.

Snakemake, the environment files, their pip sections and the jobs inside are real; conda-forge is a
local channel and `conda` a few lines around py-rattler (tests/models/stand_in_conda). So this does
not show that conda-forge has the few packages above the pip sections.

Built are core, api and those that CONDA_ENVIRONMENTS names: the others bring several GB of CUDA
each. Where there is room and time:

    CONDA_ENVIRONMENTS="torch vllm" .venv-models/bin/python -m pytest tests/models/test_conda.py
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import yaml

from tests.models.stand_in_conda.inside import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
ENVS = ROOT / "envs"
STAND_IN = Path(__file__).with_name("stand_in_conda")
NAMES = sorted(path.stem for path in ENVS.glob("*.yaml"))
BUILT = ["core", "api", *os.environ.get("CONDA_ENVIRONMENTS", "").split()]
ONES = [f"inside/{name}.json" for name in BUILT]
SDM = ("--sdm", "conda")
STEPS = (*SDM, "--snakefile", str(STAND_IN / "Snakefile"))
CUDA = ("nvidia-", "cuda-", "triton")  # core is locked against a CPU build of PyTorch
CREATES, ACTIVATES = "Creating conda environment", "Activating conda environment: .snakemake/conda/"


@pytest.fixture(scope="module")
def conda(tmp_path_factory, snakemake):
    """Runs Snakemake with the stand-in as its `conda`, always in the same folder; `conda.folder` is
    that folder, `conda.calls()` lists what it asked the stand-in so far."""
    base = tmp_path_factory.mktemp("conda")
    subprocess.run([sys.executable, STAND_IN / "channel.py", base / "channel"], check=True)
    programs = base / "bin"
    programs.mkdir()
    (programs / "conda").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN / "executable.py"}" "{base}" "$@"\n'
    )
    (programs / "conda").chmod(0o755)
    (programs / "activate").write_text('export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n')
    folder = base / "work"
    folder.mkdir()

    def run(*arguments: str, ok: bool = True) -> str:
        return snakemake(*arguments, directory=folder, ok=ok)

    run.folder = folder
    run.calls = lambda: (base / "calls.txt").read_text("utf-8").splitlines()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("PIP_COMPILE", "0")  # a minute, and each is imported from once or twice
        yield run
    shutil.rmtree(base)  # gigabytes


@pytest.fixture(scope="module")
def made(conda) -> str:
    """What Snakemake printed when it only made the environments."""
    return conda(*STEPS, "--conda-create-envs-only", *ONES)


def pip_section(name: str) -> list[str]:
    environment = yaml.safe_load((ENVS / f"{name}.yaml").read_text("utf-8"))
    (section,) = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    return section


def test_environments_are_made_before_anything_runs_and_once(conda, made):
    assert made.count(CREATES) == len(BUILT)
    assert not (conda.folder / "inside").exists()
    before = [call for call in conda.calls() if call.startswith("env create")]
    assert len(before) == len(BUILT)
    assert CREATES not in conda(*STEPS, "--conda-create-envs-only", *ONES)
    conda(*STEPS, *ONES)
    assert [call for call in conda.calls() if call.startswith("env create")] == before


@pytest.mark.parametrize("name", BUILT)
def test_a_job_runs_inside_its_own_environment(conda, made, name):
    """With what conda brings, every package of the lock in its version, and no others."""
    conda(*STEPS, f"inside/{name}.json")
    found = json.loads((conda.folder / f"inside/{name}.json").read_text("utf-8"))
    prefix = Path(found["prefix"])
    assert prefix.parent == conda.folder / ".snakemake/conda"
    assert prefix.with_suffix(".yaml").read_bytes() == (ENVS / f"{name}.yaml").read_bytes()
    assert all(Path(module).is_relative_to(prefix) for module in found["modules"])
    locked = dict(line.split("==") for line in pip_section(name))
    assert {key: found["packages"].get(key) for key in locked} == locked
    more = set(found["packages"]) - set(locked) - {"pip"}
    assert all(key.startswith(CUDA) for key in more)
    if "ffmpeg" in (ENVS / f"{name}.yaml").read_text("utf-8").split("- pip:")[0]:
        assert Path(found["ffmpeg"]) == prefix / "bin/ffmpeg"
        assert found["ffmpeg_says"].startswith("ffmpeg version")


def test_a_table_of_the_paper_is_made_inside_core(conda, made):
    printed = conda("results/paper/errata.csv", *SDM)
    assert CREATES not in printed and ACTIVATES in printed
    inside = (conda.folder / "results/paper/errata.csv").read_bytes()
    conda("--force", "results/paper/errata.csv")
    assert (conda.folder / "results/paper/errata.csv").read_bytes() == inside


def test_a_package_that_the_channel_lacks_is_named(conda):
    folder = conda.folder / "lacking"
    folder.mkdir()
    (folder / "lacking.yaml").write_text(
        "channels: [conda-forge]\ndependencies: [python=3.11, no-such-tool]\n"
    )
    (folder / "Snakefile").write_text(
        "rule:\n    output: 'never'\n    conda: 'lacking.yaml'\n    shell: 'touch {output}'\n"
    )
    printed = conda("never", "--snakefile", str(folder / "Snakefile"), *SDM, ok=False)
    assert "Could not create conda environment from" in printed
    assert "lacking.yaml" in printed and "no-such-tool" in printed
    assert not (conda.folder / "never").exists()


def test_which_environments_are_not_built_here_is_told():
    assert set(BUILT) <= set(NAMES) == set(PACKAGES)
    if others := sorted(set(NAMES) - set(BUILT)):
        warnings.warn(
            f"not built by conda's stand-in here: {', '.join(others)} (CONDA_ENVIRONMENTS asks "
            "for them)",
            stacklevel=1,
        )

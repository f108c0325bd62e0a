"""`make env`: an environment without conda, from the same lock as conda's; jobs run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scripts.common.errors import UserError
from scripts.setup import build_env
from scripts.workflow import environments

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "config", "envs", "profiles", "rules", "scripts")
TARGET = "results/corpus/media/chinese.jsonl"  # an episode that `fetch` has spoken
BACKEND = '''"""Speaks noise, and says what it runs in."""

import sys

import numpy as np
import openai

ENV = "api"
GPU = False
rate, voice_mode = 16_000, "fixed"


def load():
    print(f"{sys.prefix} has {openai.__file__}", flush=True)
    return sys.modules[__name__]


def fixed_voice(language):
    return language


def speak(lines):
    return [np.random.default_rng(0).normal(0, 0.1, rate).astype(np.float32) for _ in lines]
'''


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A folder of environments with one, `tiny`, whose lock is empty."""
    monkeypatch.setattr(environments, "ENVS", tmp_path)
    monkeypatch.setattr(environments, "BUILT", tmp_path / "built")
    (tmp_path / "tiny.txt").write_text("# nothing\n")
    (tmp_path / "tiny.yaml").write_text(
        "dependencies: [python=3.11, pip, 'no.such-tool>=6,<8', {pip: []}]\n"
    )
    return tmp_path


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A separate checkout without built environments, with an overlay that needs `api`."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in PARTS:
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, copy)
        else:
            ignored = shutil.ignore_patterns("built", "__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    (copy / "own/tts").mkdir(parents=True)
    (copy / "own/tts/noise.py").write_text(BACKEND)
    overlay = {
        "built_environments": True,
        "backend_paths": ["own"],
        "models": {"noise": {"capability": "tts", "backend": "noise"}},
        "fetch": {"tts": "noise"},
    }
    (copy / "mine.yaml").write_text(yaml.safe_dump(overlay))
    return copy


@pytest.fixture(scope="module")
def run(checkout, snakemake):
    """Runs Snakemake in that checkout."""

    def run(*arguments: str, ok: bool = True) -> str:
        files = ("--snakefile", str(checkout / "Snakefile"), "--configfile", checkout / "mine.yaml")
        return snakemake(TARGET, *map(str, files), *arguments, directory=checkout, ok=ok)

    return run


def test_a_name_is_one_of_those_that_there_are():
    with pytest.raises(UserError, match="no environment 'torhc'; did you mean 'torch'?"):
        build_env.build("torhc")
    with pytest.raises(UserError, match="no environment 'x'; valid are: api, .*vllm"):
        build_env.build("x")
    with pytest.raises(UserError, match="core run in the environment that Snakemake is in"):
        build_env.build("core")


def test_it_is_built_once_for_a_lock_and_what_only_conda_brings_is_named(tiny, capfd):
    assert environments.fault("tiny") == "tiny is not built: `make env NAME=tiny` builds it."
    build_env.build("tiny")
    assert not environments.fault("tiny")
    told = capfd.readouterr().out
    assert "built/tiny is built." in told and "conda would bring it: no.such-tool." in told
    build_env.build("tiny")
    assert "built/tiny is as envs/tiny.txt says." in capfd.readouterr().out
    (tiny / "tiny.txt").write_text("./missing.whl\n")
    assert "from another envs/tiny.txt: `make env NAME=tiny`" in environments.fault("tiny")
    with pytest.raises(UserError, match="tiny could not be built; what failed is told above"):
        build_env.build("tiny")
    assert "missing.whl" in capfd.readouterr().err
    assert "tiny is not built" in environments.fault("tiny")


def test_a_job_runs_in_what_was_built_and_nothing_does_before(checkout, run):
    refused = run(ok=False)
    assert "api is not built: `make env NAME=api` builds it." in refused
    assert "Nothing was run" in refused and not (checkout / TARGET).exists()
    subprocess.run(
        [sys.executable, "-m", "scripts.setup.build_env", "api"],
        **{"cwd": checkout, "env": os.environ | {"PIP_COMPILE": "0"}, "check": True},
    )
    built = checkout / "envs/built/api"
    run()
    library = built / "lib" / f"python3.{sys.version_info.minor}/site-packages"
    said = (checkout / "logs/fetch/chinese.log").read_text("utf-8")
    assert f"{built} has {library}/openai/__init__.py" in said
    # Where it ran is no reason to run it again.
    assert "Nothing to be done" in run("--config", "built_environments=False")


def test_conda_and_built_environments_exclude_each_other(run):
    assert "conda is asked for: choose one" in run("--sdm", "conda", "--dry-run", ok=False)

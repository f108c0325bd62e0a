"""Each environment's lock is consistent: uv finds nothing to add, remove or change."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scripts.common.errors import UserError
from scripts.setup.lock import compiled, lock
from scripts.workflow import specs
from scripts.workflow.model_spec import ModelSpec

ENVS = Path(__file__).resolve().parents[2] / "envs"
NAMES = sorted(path.stem for path in ENVS.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_the_pip_section_compiles_to_itself(name, tmp_path):
    """What conda installs by pip is complete: every package that another one needs is pinned."""
    environment = yaml.safe_load((ENVS / f"{name}.yaml").read_text("utf-8"))
    assert environment["channels"] == ["conda-forge"]
    assert {"python=3.11", "pip"} <= {d for d in environment["dependencies"] if isinstance(d, str)}
    (pip,) = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    (tmp_path / "pip.in").write_text("\n".join(pip) + "\n")
    found = set(compiled(tmp_path / "pip.in").splitlines())
    if name == "core":  # locked against a CPU build; here PyPI's may add CUDA
        found -= {line for line in found if line.startswith(("nvidia-", "cuda-", "triton"))}
    assert found == set(pip)


def test_every_backend_has_an_environment():
    for capability in specs.capabilities():
        for backend in specs.backends(capability):
            spec = ModelSpec(capability, backend)
            assert set(specs.envs(spec)) <= set(NAMES)


def test_what_cannot_be_resolved_is_told(tmp_path):
    (tmp_path / "bad.in").write_text("numpy<1\nnumpy>2\n")
    with pytest.raises(UserError, match=r"(?s)bad.in cannot be resolved: .*numpy"):
        compiled(tmp_path / "bad.in")


def test_a_lock_keeps_the_versions_that_it_has_and_fills_the_conda_file(tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.setup.lock.ENVS", tmp_path)
    (tmp_path / "a.in").write_text("six\n")
    (tmp_path / "a.txt").write_text("six==1.15.0\n")
    (tmp_path / "a.yaml").write_text("# what it is\ndependencies: [python=3.11, {pip: []}]\n")
    lock("a")
    assert (tmp_path / "a.txt").read_text().splitlines()[1:] == ["six==1.15.0"]
    text = (tmp_path / "a.yaml").read_text()
    assert text.startswith("# what it is\n")
    assert yaml.safe_load(text) == {"dependencies": ["python=3.11", {"pip": ["six==1.15.0"]}]}

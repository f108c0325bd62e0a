"""Builds the environment envs/built/NAME from the lock envs/NAME.txt, for machines without conda.

`make env NAME=torch` runs this. Jobs use it if the config sets `built_environments: true`. conda
installs the same lock (envs/NAME.yaml). The packages above the pip section of that file come only
with conda; those that this machine lacks are listed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import yaml

from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.setup import cpu_torch
from scripts.workflow import environments


def names() -> list[str]:
    """The environments that jobs may use besides Snakemake's own."""
    found = {path.stem for path in environments.ENVS.glob("*.yaml")}
    return sorted(found - {environments.OWN})


def build(name: str) -> None:
    """Build an environment unless it exists and its lock is unchanged.

    Raises UserError for an unknown name or if a package cannot be installed.
    """
    if name == environments.OWN:
        raise UserError(
            f"jobs that want {name} run in the environment that Snakemake is in: "
            f"`pip install -r envs/{name}.txt` there."
        )
    if name not in names():
        raise UserError(f"there is no environment '{name}'{nearest(name, names())}")
    place, lock = environments.place(name), environments.ENVS / f"{name}.txt"
    if not environments.fault(name):
        print(f"{place} is as envs/{name}.txt says.")
        return
    python = place / "bin/python"
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        for what in (["--upgrade", "pip"], ["-r", lock]):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *what], check=True)
        if "torchaudio==" in lock.read_text("utf-8"):
            subprocess.run([python, cpu_torch.__file__], check=True)
    except subprocess.CalledProcessError as error:
        raise UserError(f"{name} could not be built; what failed is told above.") from error
    shutil.copyfile(lock, place / environments.MARK)
    print(f"{place} is built.")
    if lacking := [tool for tool in tools(name) if not shutil.which(tool)]:
        print(
            f"Not on this machine, and conda would bring it: {', '.join(lacking)}. Models of this "
            "environment may need it on the PATH of their jobs."
        )


def tools(name: str) -> list[str]:
    """What conda adds to an environment besides Python and the pip section."""
    environment = yaml.safe_load((environments.ENVS / f"{name}.yaml").read_text("utf-8"))
    specs = [part for part in environment["dependencies"] if isinstance(part, str)]
    found = [tool for spec in specs for tool in re.findall(r"^[\w.-]+", spec)]
    return [tool for tool in found if tool not in ("python", "pip")]


if __name__ == "__main__":
    try:
        if not sys.argv[1:]:
            raise UserError(f"say which: `make env NAME=...`; there are: {', '.join(names())}.")
        for environment in sys.argv[1:]:
            build(environment)
    except UserError as error:
        sys.exit(f"env: {error}")

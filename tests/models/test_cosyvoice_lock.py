"""CosyVoice2 with the versions that its own environment locks: transformers and what goes with it.

The environment of these tests has later ones, with which the package behaves in another way. The
older ones lie in a folder of their own (Makefile), which a process of its own puts before the rest.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDER = ("transformers", "tokenizers", "huggingface-hub", "diffusers")


def inside(*command: str) -> str:
    """What Python prints in a process that has the locked versions."""
    places = (str(Path(sys.prefix) / "cosyvoice"), str(ROOT))
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_cosyvoice_speaks_with_the_versions_that_its_environment_locks():
    lock = (ROOT / "envs/cosyvoice.txt").read_text("utf-8")
    wanted = [re.search(rf"^{name}==(\S+)$", lock, re.MULTILINE)[1] for name in OLDER]
    modules = [name.replace("-", "_") for name in OLDER]
    program = (
        f"import {', '.join(modules)}; print(*(m.__version__ for m in ({', '.join(modules)},)))"
    )
    assert inside("-c", program).split() == wanted
    file = "tests/models/test_tts_models.py"
    told = inside(
        "-m", "pytest", file, "-k", "cosy", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"
    )
    assert re.search(r"^[1-9]\d* passed|\[100%\]", told, re.MULTILINE) and "failed" not in told

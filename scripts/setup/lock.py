"""Compiles envs/NAME.in into the lock envs/NAME.txt and the pip section of envs/NAME.yaml, and
writes envs/NAME.post-deploy.sh where torchaudio is in it.

The .in files say what is wanted, by hand; uv (https://docs.astral.sh/uv, `pip compile`) finds
versions that go together; conda and pip install exactly those. Versions that a lock has already are
kept where they still fit. `make locks` runs this for all of them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from scripts.common.errors import UserError

ENVS = Path(__file__).resolve().parents[2] / "envs"
PYTHON = "3.11"
HEAD = "# Compiled from {name}.in by `make locks`; do not edit.\n"


def lock(name: str, *options: str) -> None:
    """Compile envs/<name>.in; `options` go to uv (where to find a CPU build of PyTorch, say)."""
    text = compiled(ENVS / f"{name}.in", ENVS / f"{name}.txt", options)
    (ENVS / f"{name}.txt").write_text(HEAD.format(name=name) + text, encoding="utf-8")
    file = ENVS / f"{name}.yaml"
    if not file.exists():
        return  # only installed by pip
    head = [line for line in file.read_text("utf-8").splitlines() if line.startswith("#")]
    environment = yaml.safe_load(file.read_text("utf-8"))
    for part in environment["dependencies"]:
        if isinstance(part, dict):
            part["pip"] = text.splitlines()
    body = yaml.safe_dump(environment, sort_keys=False)
    file.write_text("\n".join([*head, body]), encoding="utf-8")
    if "torchaudio==" in text:
        (ENVS / f"{name}.post-deploy.sh").write_text(post_deploy(), encoding="utf-8")


def post_deploy() -> str:
    """What conda runs in an environment with torchaudio: scripts/setup/cpu_torch.py, whole, as
    Snakemake takes the script out of the project."""
    source = Path(__file__).with_name("cpu_torch.py").read_text("utf-8")
    return (
        "# Made of scripts/setup/cpu_torch.py by `make locks`; do not edit.\n"
        f"python - <<'END_OF_PYTHON'\n{source}END_OF_PYTHON\n"
    )


def compiled(wanted: Path, known: Path | None = None, options: tuple[str, ...] = ()) -> str:
    """What `wanted` (a file of requirements) becomes: every package with its version, by name.

    Raises UserError, with uv's explanation, if nothing fits. A build's own mark (2.13.0+cpu) is
    taken off: another machine has another build of the same version.
    """
    command = [sys.executable, "-m", "uv", "pip", "compile", str(wanted), "--quiet"]
    keep = ["--constraints", str(known)] if known and known.exists() else []
    for extra in (keep, []):  # what was known no longer fits: anew
        done = subprocess.run(
            [
                *command,
                "--python-version",
                PYTHON,
                "--no-header",
                "--no-annotate",
                *extra,
                *options,
            ],
            capture_output=True,
            text=True,
        )
        if done.returncode == 0:
            lines = [line for line in done.stdout.splitlines() if line and line[0] not in "#-"]
            return "".join(line.partition("+")[0] + "\n" for line in lines)
    raise UserError(f"{wanted} cannot be resolved: {done.stderr.strip()[-1500:]}")


if __name__ == "__main__":
    try:
        for environment in sys.argv[1:]:
            lock(environment)
    except UserError as error:
        sys.exit(f"lock: {error}")

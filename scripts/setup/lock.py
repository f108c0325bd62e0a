"""Compiles envs/NAME.in into the lock envs/NAME.txt and the pip section of envs/NAME.yaml, and
writes envs/NAME.post-deploy.sh if the lock contains torchaudio.

The hand-written .in files list the requirements; uv (https://docs.astral.sh/uv, `pip compile`)
resolves compatible versions; conda and pip install exactly those. Versions already in a lock are
kept if they still fit. `make locks` runs this for every environment.
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
    """Compile envs/<name>.in; `options` go to uv (e.g. where to find a CPU build of PyTorch)."""
    text = compiled(ENVS / f"{name}.in", ENVS / f"{name}.txt", options)
    (ENVS / f"{name}.txt").write_text(HEAD.format(name=name) + text, encoding="utf-8")
    file = ENVS / f"{name}.yaml"
    if not file.exists():
        return  # installed only by pip
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
    """The script that conda runs in an environment with torchaudio: all of
    scripts/setup/cpu_torch.py, because Snakemake copies the script out of the project."""
    source = Path(__file__).with_name("cpu_torch.py").read_text("utf-8")
    return (
        "# Made of scripts/setup/cpu_torch.py by `make locks`; do not edit.\n"
        f"python - <<'END_OF_PYTHON'\n{source}END_OF_PYTHON\n"
    )


def compiled(wanted: Path, known: Path | None = None, options: tuple[str, ...] = ()) -> str:
    """The lock of `wanted` (a requirements file): every package with its version, sorted by name.

    Raises UserError, with uv's explanation, if no versions fit. Local version labels (2.13.0+cpu)
    are removed: another machine has another build of the same version.
    """
    command = [sys.executable, "-m", "uv", "pip", "compile", str(wanted), "--quiet"]
    keep = ["--constraints", str(known)] if known and known.exists() else []
    for extra in (keep, []):  # start afresh if the known versions no longer fit
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

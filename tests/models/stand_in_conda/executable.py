"""The stand-in `conda`: `executable.py BASE ARGUMENTS`, with the local channel in BASE/channel.

It answers only the calls that Snakemake makes, and lists them in BASE/calls.txt. Environments are
solved and installed by py-rattler from the local channel instead of conda-forge; then, as in conda,
their own pip installs the section `pip`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path

import yaml
from rattler import Gateway, Subdir, VirtualPackage, install, solve

VERSION = "24.11.3"  # of the conda whose answers these are


def main(base: Path, arguments: list[str]) -> int:
    """Answer one call; returns the exit status."""
    with (base / "calls.txt").open("a", encoding="utf-8") as calls:
        calls.write(" ".join(arguments) + "\n")
    if arguments == ["--version"]:
        print(f"conda {VERSION}")
    elif arguments == ["info", "--json"]:
        print(json.dumps({"conda_prefix": str(base), "platform": str(Subdir.current())}))
    elif arguments == ["config", "--get", "channel_priority", "--json"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif arguments[0] == "clean":
        pass  # the packages lie in the channel; there are no copies to throw away
    elif arguments[:2] == ["env", "create"]:
        parser = ArgumentParser()
        parser.add_argument("--quiet", action="store_true")
        parser.add_argument("--no-default-packages", action="store_true")
        parser.add_argument("--file", type=Path, required=True)
        parser.add_argument("--prefix", type=Path, required=True)
        wanted = parser.parse_args(arguments[2:])
        return create(base, yaml.safe_load(wanted.file.read_text("utf-8")), wanted.prefix)
    else:
        print(f"the stand-in for conda knows no {arguments}", file=sys.stderr)
        return 2
    return 0


def create(base: Path, environment: dict, prefix: Path) -> int:
    """Create the environment of a file envs/<name>.yaml at `prefix`."""
    if environment["channels"] != ["conda-forge"]:
        print(f"unknown channels {environment['channels']}", file=sys.stderr)
        return 1
    specs = [part for part in environment["dependencies"] if isinstance(part, str)]
    pip = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    try:
        asyncio.run(packages(base, specs, prefix))
    except Exception as error:  # py-rattler's own, of many kinds
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    if not pip:
        return 0
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as requirements:
        requirements.write("\n".join(pip[0]) + "\n")
        requirements.flush()
        command = [prefix / "bin/python", "-m", "pip", "install", "-U", "-r", requirements.name]
        return subprocess.run([*command, "--quiet"]).returncode


async def packages(base: Path, specs: list[str], prefix: Path) -> None:
    records = await solve(
        [(base / "channel").as_uri()],
        specs,
        gateway=Gateway(cache_dir=base / "cache"),
        platforms=[str(Subdir.current()), "noarch"],
        virtual_packages=VirtualPackage.detect(),
    )
    await install(records, prefix, cache_dir=base / "cache", show_progress=False)


if __name__ == "__main__":
    status = main(Path(sys.argv[1]), sys.argv[2:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # py-rattler's threads may crash an interpreter that ends as usual

"""Runs a stage's function for a Snakemake rule or from a command line.

A stage is a plain function whose parameters have the names of the rule's inputs, outputs and
params. Outputs are written under a temporary name and renamed atomically when the function returns,
so an existing file is complete. Temporary names contain the process id: a job outlives a killed
Snakemake, and a second run may be making the same file. A job's log has its output and, if it
crashes, the reason (scripts/workflow/crash_report.py).
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from scripts.common.errors import UserError
from scripts.common.job import Job, entered
from scripts.services import processes
from scripts.workflow import crash_report
from scripts.workflow.interruption import STOPPED
from scripts.workflow.model_spec import ModelSpec, from_json

RUN_CONFIG = Path("results/run_config.yaml")  # written by the workflow before its first job
ABOUT = ("code", "kept_in")  # params about the job, not passed to its function


def run(function: Callable, job: Any = None) -> None:
    """Run `function` with the arguments of the Snakemake `job`, or of the command line."""
    context = Job(function.__name__, run_config())
    if job is not None:
        _enter(job)
        context = replace(context, config=job.config)
    if job is not None and job.log:
        screen = os.fdopen(os.dup(2), "w", buffering=1)
        context = replace(context, screen=screen)
        with Path(job.log[0]).open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a kill loses none
        crash_report.continue_in_child(context.stage, Path(job.log[0]), screen)
    try:
        if job is not None and job.log:
            context = replace(context, cache=cache_of(job))
        arguments, outputs = _from_job(function, job) if job else _from_command_line(function)
        with entered(context):
            _call(function, arguments, outputs)
    except KeyboardInterrupt:
        print(f"{function.__name__}: {STOPPED}", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except UserError as error:
        print(f"{function.__name__}: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        traceback.print_exc()
        print(f"{function.__name__}: {_about(error)}", file=sys.stderr)
        sys.exit(1)


def cache_of(job: Any) -> Any:
    """The model cache of a job: files below `kept` of the config, in a folder with the name of its
    log or of its param `kept_in`; None where `kept` is null."""
    folder = job.config.get("kept")
    if folder is None:
        return None
    from scripts.workflow.cache_files import CacheFiles

    own = Path(job.log[0]).relative_to("logs").with_suffix("")
    return CacheFiles(Path(folder) / dict(job.params.items()).get("kept_in", own))


def run_config() -> dict[str, Any] | None:
    """The merged config of the run in the working directory, if there is one."""
    if not RUN_CONFIG.is_file():
        return None
    import yaml

    return yaml.safe_load(RUN_CONFIG.read_text("utf-8"))


def _enter(job: Any) -> None:
    """Replace this process by the job's script under the interpreter of its built environment
    (rules/environments.smk), if it has one and does not run in it yet."""
    place = getattr(job, "resources", {}).get("environment")
    if place and not os.path.samefile(place, sys.prefix):
        os.environ |= {"PATH": f"{place}/bin{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": place}
        os.environ.pop("PYTHONPATH", None)  # another interpreter's packages
        python = f"{place}/bin/python"
        os.execv(python, [python, *sys.argv])


def _call(function: Callable, arguments: dict[str, Any], outputs: Iterable[str]) -> None:
    """Call with temporary output names; rename them on success, remove them on failure."""
    final = {name: arguments[name] for name in outputs}
    own = f".part-{os.getpid()}-"
    temporary = {name: path.with_name(f"{own}{path.name}") for name, path in final.items()}
    for path in final.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
    try:
        function(**{**arguments, **temporary})
        for name, path in final.items():
            if path.is_dir():
                shutil.rmtree(path)
            temporary[name].replace(path)
    finally:
        for path in temporary.values():
            _remove(path)


def final_name(path: Path) -> str:
    """The name of an output, of which `path` may be the temporary one."""
    return re.sub(r"^\.part-\d+-", "", path.name)


def _sweep(path: Path) -> None:
    """Remove partial outputs left by this process or by dead ones."""
    for part in path.parent.glob(".part-*"):
        found = re.fullmatch(rf"\.part-(\d+)-{re.escape(path.name)}", part.name)
        if found and (int(found[1]) == os.getpid() or not processes.born(int(found[1]))):
            _remove(part)


def _from_job(function: Callable, job: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    given = {name: _paths(value) for name, value in job.input.items()}
    outputs = {name: Path(value) for name, value in job.output.items()}
    given |= outputs | {name: value for name, value in job.params.items() if name not in ABOUT}
    expected = inspect.signature(function).parameters
    unknown = sorted(set(given) - set(expected))
    missing = sorted(
        name for name, p in expected.items() if p.default is p.empty and name not in given
    )
    if unknown or missing:
        raise UserError(f"rule {job.rule}: unknown {unknown}, missing {missing}")
    return given, tuple(outputs)


def _paths(value: Any) -> Path | list[Path]:
    return Path(value) if isinstance(value, str) else [Path(item) for item in value]


def _from_command_line(function: Callable) -> tuple[dict[str, Any], tuple[str, ...]]:
    parser = argparse.ArgumentParser(
        description=inspect.getdoc(function), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    hints = get_type_hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        kind = hints.get(name, str)
        required = parameter.default is parameter.empty
        parser.add_argument(
            "--" + name.replace("_", "-"),
            dest=name,
            required=required,
            default=None if required else parameter.default,
            nargs="*" if kind == list[Path] else None,
            type=kind if kind in (Path, int, float, str) else Path if kind == list[Path] else _json,
            help=getattr(kind, "__name__", str(kind)),
        )
    given = vars(parser.parse_args())
    return {name: _converted(name, value, hints.get(name)) for name, value in given.items()}, ()


def _converted(name: str, value: Any, kind: Any) -> Any:
    """A value of the command line whose annotation says that it is a spec, or holds some."""
    try:
        if kind in (ModelSpec, ModelSpec | None):
            return None if value is None else from_json(value)
        if ModelSpec not in get_args(kind):
            return value
        if isinstance(value, dict):
            return {key: from_json(one) for key, one in value.items()}
        return [from_json(one) for one in value]
    except UserError as error:
        raise UserError(f"--{name.replace('_', '-')}: {error}") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {text!r} ({error})") from error


def _about(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    if error.errno == 28:
        return f"the disk is full{where}; free some space and run again: finished work is kept."
    return f"{error.strerror or error}{where}"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

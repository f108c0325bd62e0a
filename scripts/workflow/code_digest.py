"""A digest of the code that a job's results depend on, so that changing it reruns the job.

Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from scripts.common.paths import ROOT
from scripts.workflow.model_spec import ModelSpec
from scripts.workflow.specs import file_of, tree, with_nested

# Files and folders of scripts/ that run, plan, check and report jobs, and cannot change a result.
NEUTRAL = (
    *("workflow", "services", "backends/__init__.py"),
    *(f"common/{name}.py" for name in ("documents", "errors", "job", "paths", "progress")),
)
# Exceptions in those folders: they decide what a service is asked and how its answers are read.
PROTOCOLS = ("openai_chat.py", "model_studio.py", "multiple_choice.py", "model_versions.py")


def chosen(models: Iterable[Any], wildcards: Any) -> list[ModelSpec]:
    """The specs of a job's models; some are given as functions of its wildcards."""
    return [model(wildcards) if callable(model) else model for model in models]


def code(stage: str | None, *models: ModelSpec) -> str:
    """A digest of a stage (None: of none), of the project's modules it imports and of its backends.

    Comments, layout, docstrings and error messages do not count. As a param it makes Snakemake
    rerun exactly the jobs whose code changed; Snakemake itself checks the script, not its imports.
    """
    return _digest(tuple(sources(stage, *models)))


def sources(stage: str | None, *models: ModelSpec) -> list[Path]:
    """The files that the digest covers."""
    queue = [ROOT / "scripts" / f"{stage}.py"] if stage else []
    queue += [file_of(model) for model in with_nested(models)]
    found: set[Path] = set()
    while queue:
        path = queue.pop()
        if path not in found and not is_neutral(path):
            found.add(path)
            queue.extend(imports(path))
    return sorted(found)


@functools.cache
def is_neutral(path: Path) -> bool:
    """Whether a file cannot change a result (NEUTRAL)."""
    places = [ROOT / "scripts" / place for place in NEUTRAL]
    return path.name not in PROTOCOLS and any(path.is_relative_to(place) for place in places)


@functools.cache
def imports(path: Path) -> list[Path]:
    """The project's files that `path` imports, at any level."""
    names, left = set(), list[ast.AST]([tree(path)])
    while left:  # of ast.walk, the statements only
        node = left.pop()
        for inner in ("body", "orelse", "handlers", "finalbody", "cases"):
            left.extend(getattr(node, inner, ()))
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    stems = [ROOT / name.replace(".", "/") for name in names]
    candidates = [
        file for stem in stems for file in (stem.with_suffix(".py"), stem / "__init__.py")
    ]
    return [file for file in candidates if file.is_file()]


@functools.cache
def _digest(files: tuple[Path, ...]) -> str:
    text = "".join(sorted(map(_effective, files)))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


@functools.cache
def _effective(path: Path) -> str:
    """The code of a file that can change a result: all but docstrings and the messages of
    UserErrors."""
    written: list[str] = []
    _write(tree(path), written.append)
    return "".join(written)


def _write(node: ast.AST, write: Callable[[str], None]) -> None:
    """Like ast.dump, in a third of the time: each start of Snakemake does it for all the code."""
    write(f"{type(node).__name__}(")
    unread = _unread(node)
    for name in node._fields:
        value = getattr(node, name, None)
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, ast.AST):
                if one not in unread:
                    _write(one, write)
            else:
                write(f"{name}={one!r},")
        write(";")
    write(")")


def _unread(node: ast.AST) -> list[ast.AST]:
    """The parts of a node that change no result: its docstring, a UserError's message."""
    if isinstance(node, ast.Call):
        return list(node.args) if getattr(node.func, "id", "") == "UserError" else []
    body = getattr(node, "body", None)
    if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
        return body[:1] if isinstance(body[0].value, ast.Constant) else []
    return []

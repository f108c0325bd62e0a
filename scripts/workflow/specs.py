"""Specs of models, checked before any job, and the properties that backend files declare.

A backend whose `load` has the option `key`, the environment variable that holds its key, is a
service. Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.common.tables import located
from scripts.workflow.contracts import lacks
from scripts.workflow.model_spec import ModelSpec

BACKENDS = ROOT / "scripts" / "backends"


def resolve(
    models: dict[str, dict],
    name: str,
    capability: str,
    where: str,
    folders: Iterable[str] = (),
    within: tuple[str, ...] = (),
) -> ModelSpec:
    """The spec of the model `name` of the config, whose backend may lie in one of `folders`
    (`backend_paths` of the config), as a part of the models `within`.

    Raises UserError for an unknown model, one of another capability, an unknown backend, an option
    that the backend's `load` does not have or that it needs and is not given, a backend file that
    does not set ENV and GPU, a class of one's own that lacks a part of its contract, or a model
    that is a part of itself.
    """
    if name in within:
        raise UserError(
            f"{where}: '{name}' is a part of itself ({' > '.join([*within, name])}); name another "
            "model there."
        )
    if name not in models:
        same = [key for key, model in models.items() if model["capability"] == capability]
        raise UserError(f"{where}: no model is called '{name}'{nearest(name, same or models)}")
    options = dict(models[name])
    kind, backend = options.pop("capability"), options.pop("backend")
    if kind != capability:
        raise UserError(f"{where}: '{name}' is of capability {kind}, {capability} is needed.")
    valid = backends(capability, folders)
    if backend not in valid:
        raise UserError(
            f"models.{name}: there is no backend '{backend}' for {capability}"
            f"{nearest(backend, valid)}"
        )
    found = ModelSpec(capability, backend, options, valid[backend])
    allowed, choices = options_of(found), constant(found, "CHOICES", {})
    for key, value in options.items():
        if key not in allowed:
            raise UserError(
                f"models.{name}: {capability}/{backend} has no option '{key}'"
                f"{nearest(key, allowed)}"
            )
        if key in choices and value not in choices[key]:
            raise UserError(
                f"models.{name}.{key}: {capability}/{backend} knows no '{value}'"
                f"{nearest(value, choices[key])}"
            )
        if key in capabilities() and value is not None:
            place = f"models.{name}.{key}"
            options[key] = resolve(models, value, key, place, folders, (*within, name))
    if lacking := [key for key in required(file_of(found)) if key not in options]:
        raise UserError(f"models.{name}: {capability}/{backend} needs the option '{lacking[0]}'.")
    for needed in ("ENV", "GPU"):
        constant(found, needed)
    if found.folder is not None:
        _keeps_contract(found)
    return found


def _keeps_contract(spec: ModelSpec) -> None:
    """Raise UserError if the class of a backend of one's own lacks a part of its contract."""
    path, contract = file_of(spec), BACKENDS / spec.capability / "__init__.py"
    if lack := lacks(tree(path), tree(contract)):
        name, line, missing = lack
        raise UserError(
            f"{path}, line {line}: {name} has no {' and no '.join(missing)}, which a backend of "
            f"{spec.capability} must have; scripts/backends/{spec.capability}/__init__.py says "
            "what it is."
        )


def capabilities() -> list[str]:
    """All capabilities: the folders of scripts/backends."""
    return sorted(path.parent.name for path in BACKENDS.glob("*/__init__.py"))


def backends(capability: str, folders: Iterable[str] = ()) -> dict[str, str | None]:
    """The backends of a capability (files <capability>/<name>.py) by name, each with its folder:
    None for the project's own, else one of `folders`.

    Raises UserError for a missing folder and for a duplicate name.
    """
    found: dict[str, str | None] = {}
    for folder in (None, *folders):
        place = _place(folder)
        if not place.is_dir():
            raise UserError(f"backend_paths: there is no folder '{folder}'.")
        for path in sorted((place / capability).glob("*.py")):
            if path.stem.startswith("_"):
                continue  # shared by several backends, or __init__.py
            if path.stem in found:
                raise UserError(
                    f"backend_paths: {folder}/{capability}/{path.name} has the name of a backend "
                    f"in {found[path.stem] or 'scripts/backends'}; give it another one."
                )
            found[path.stem] = folder
    return found


def file_of(spec: ModelSpec) -> Path:
    """The file of the backend of a spec."""
    return _place(spec.folder) / spec.capability / f"{spec.backend}.py"


def _place(folder: str | None) -> Path:
    """A folder of backends; a relative path may also be relative to the Snakefile."""
    if folder is None:
        return BACKENDS
    return Path(folder).absolute() if Path(folder).is_dir() else ROOT / folder


def constant(spec: ModelSpec, name: str, *default: Any) -> Any:
    """A constant (`ENV`, `GPU` ...) of the backend of a spec, read without importing it, or the
    `default`, if given."""
    path = file_of(spec)
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name:
            return ast.literal_eval(node.value)
    if default:
        return default[0]
    raise UserError(f"{path} does not set {name}.")


def keys(spec: ModelSpec, name: str) -> list[str] | None:
    """The keys of the table `name` in the backend of a spec, read without importing it; None
    without such a table."""
    for node in tree(file_of(spec)).body:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", None) == name:
            if isinstance(node.value, ast.Dict):
                return [ast.literal_eval(key) for key in node.value.keys if key is not None]
    return None


def refuse_unscored(judge: ModelSpec, metrics: Path) -> None:
    """Raise UserError, with file and line, for a metric of the table that a judge with FORMULAS has
    none for: its column would be empty."""
    formulas = keys(judge, "FORMULAS")
    if formulas is None:
        return
    for where, row in located(metrics, "metrics"):
        if row["id"] not in formulas:
            raise UserError(
                f"{where}: {judge.label} has no formula for the metric '{row['id']}'"
                f"{nearest(row['id'], formulas)} Add one in {file_of(judge)}, or choose a judge "
                "that listens."
            )


def with_nested(specs: Iterable[ModelSpec]) -> list[ModelSpec]:
    """All of `specs`, those inside their options too."""
    return [found for spec in specs for found in (spec, *with_nested(spec.parts))]


def adapters(spec: ModelSpec) -> list[str]:
    """The folders of the adapters that a model and those inside its options load."""
    return [one.options["adapter"] for one in with_nested([spec]) if "adapter" in one.options]


def environment(*specs: ModelSpec) -> str:
    """The environment (a file in envs/) in which all backends of a job can run: the first of the
    first model's that the others have too; "core" without models.

    Raises UserError, naming two backends that share none.
    """
    shared: list[str] = []
    whose = ""
    for spec in with_nested(specs):
        own, name = envs(spec), spec.label
        both = [env for env in shared or own if env in own]
        if not both:
            raise UserError(
                f"one job cannot run {whose} (environment {' or '.join(shared)}) and {name} "
                f"(environment {' or '.join(own)}) at once; choose models that share one."
            )
        shared, whose = both, f"{whose}, {name}" if whose else name
    return shared[0] if shared else "core"


def envs(spec: ModelSpec) -> list[str]:
    """The environments that the backend of a spec can run in, the preferred one first."""
    found = constant(spec, "ENV")
    return [found] if isinstance(found, str) else list(found)


def wants_gpu(*specs: ModelSpec) -> bool:
    """Whether a backend of a job runs on a GPU: it can, and its `device` is not "cpu"."""
    return any(
        constant(spec, "GPU") and option(spec, "device") != "cpu" for spec in with_nested(specs)
    )


def option(spec: ModelSpec, name: str) -> Any:
    """The value of a backend's option: from the config, else the default of its `load`."""
    return {**defaults(file_of(spec)), **spec.options}.get(name)


def options_of(spec: ModelSpec) -> list[str]:
    """The option names of the backend of a spec: the parameters of its `load`."""
    return [arg.arg for arg in _load(file_of(spec)).args.args]


@functools.cache
def defaults(path: Path) -> dict[str, Any]:
    """The literal defaults of a backend's `load`, by option."""
    arguments = _load(path).args
    names = [arg.arg for arg in arguments.args][len(arguments.args) - len(arguments.defaults) :]
    values = zip(names, arguments.defaults, strict=True)
    return {name: value.value for name, value in values if isinstance(value, ast.Constant)}


@functools.cache
def required(path: Path) -> list[str]:
    """The options of a backend's `load` that have no default."""
    arguments = _load(path).args
    return [arg.arg for arg in arguments.args][: len(arguments.args) - len(arguments.defaults)]


@functools.cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a Python file. Raises UserError for one that Python cannot read."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}: no valid Python ({error.msg}).") from error


def _load(path: Path) -> ast.FunctionDef:
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef) and node.name == "load":
            return node
    raise UserError(f"{path} has no function load(**options).")


def is_service(spec: ModelSpec) -> bool:
    """Whether the backend of a spec asks a service."""
    return "key" in options_of(spec)


def asks_service(*specs: ModelSpec) -> bool:
    """Whether one of the models, nested ones included, asks a service."""
    return any(is_service(spec) for spec in with_nested(specs))


def cores(*specs: ModelSpec) -> int:
    """The CPU cores that the models of a job use: the largest of their `threads`, 2 for a model
    without that option, 1 for a service."""
    asked = [1 if is_service(spec) else option(spec, "threads") or 2 for spec in with_nested(specs)]
    return max(asked, default=1)

"""Interchangeable models. `scripts/backends/<capability>/<name>.py` is one backend.

A backend file has a docstring (what it is, source, licence, requirements), `ENV` (the file in envs/
that its rule runs in, or several, the preferred one first), `GPU` (whether it can run on one) and
`load(**options)`, which does the heavy imports and returns an object with the contract in
`scripts/backends/<capability>/__init__.py`. To add a backend, add that file: it is found by its
name. It may also be in a folder <capability>/ of your own, listed in `backend_paths` of the config.

A contract lists in KEPT the methods whose results are cached (scripts/workflow/model_cache.py):
each takes a list of items and returns one result an item, which depends only on that item and the
other arguments, or takes a single item. The number says how many items a call gets at most; results
are written to disk after it. A method whose call may take a minute says earlier what it has, by
`made` of scripts/common/job.py, so that a job that is stopped keeps it. SOUND: arrays in the
results are audio. A backend that sets PARTS is not cached; the models that it is made of are.

A backend that can run on a GPU has the option `device`: "cuda" unless the config says "cpu". One
that asks a service over the network has the options `model`, `address` and `key`, the environment
variable that holds its key, and asks through scripts/services/client.py. `CHOICES`, if present,
lists the values of enumerated options, {option: (value, ...)}; others are refused before any job.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sized
from types import ModuleType
from typing import Any

from scripts.common import documents
from scripts.common.errors import UserError
from scripts.workflow import model_cache, specs
from scripts.workflow.model_spec import ModelSpec


def load(spec: ModelSpec) -> Any:
    """Load the backend that `spec` names; inside a job, one that
    is loaded only for what is not kept yet.

    An option named as a capability holds a spec of its own, which the backend loads itself.
    Raises UserError where there is no such backend, and, naming the environment, where its packages
    are missing.
    """
    if not specs.file_of(spec).is_file():
        known = specs.backends(spec.capability)
        raise UserError(
            f"there is no backend '{spec.backend}' for {spec.capability}"
            f"{documents.nearest(spec.backend, known)}"
        )
    return model_cache.stand_in(spec, lambda: _load(spec), contract(spec.capability))


def contract(capability: str) -> ModuleType:
    """The module of a capability: its Protocol, and `accept`, which checks a backend against it."""
    return importlib.import_module(f"scripts.backends.{capability}")


def load_for(work: Sized, spec: ModelSpec) -> Any:
    """The backend that `spec` names, loaded if there is any work for it; None if there is none."""
    return load(spec) if work else None


def _load(spec: ModelSpec) -> Any:
    module = _module(spec)
    print(f"loading {spec.label}")
    try:
        return module.load(**spec.options)
    except ModuleNotFoundError as error:
        environment = module.ENV if isinstance(module.ENV, str) else module.ENV[0]
        raise UserError(
            f"backend {spec.label} needs the package {error.name!r}; "
            f"install what envs/{environment}.yaml lists."
        ) from error


def _module(spec: ModelSpec) -> ModuleType:
    """The module of a backend; one from `backend_paths` is loaded from its file."""
    name = f"scripts.backends.{spec.capability}.{spec.backend}"
    if spec.folder is None or name in sys.modules:
        return importlib.import_module(name)
    found = importlib.util.spec_from_file_location(name, specs.file_of(spec))
    assert found and found.loader, "a .py file can be loaded"
    module = sys.modules[name] = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module

"""Interchangeable models. `scripts/backends/<capability>/<name>.py` is one backend.

A backend file has a docstring (what it is, source, licence, what it needs), `ENV` (the file in
envs/ that its rule runs in), `GPU` and `load(**options)`, which imports what is heavy and returns
the object that the contract in `scripts/backends/<capability>/__init__.py` describes. Adding a
backend is adding that file: it is found by its name.
"""

from __future__ import annotations

import importlib
from typing import Any

from scripts.common.stage import UserError


def load(spec: dict[str, Any]) -> Any:
    """Load the backend that `spec` = {capability, backend, options} names.

    An option named as a capability holds a spec of its own, which the backend loads itself.
    Raises UserError, naming the environment, where the backend's packages are missing.
    """
    module = importlib.import_module(f"scripts.backends.{spec['capability']}.{spec['backend']}")
    try:
        return module.load(**spec["options"])
    except ModuleNotFoundError as error:
        raise UserError(
            f"backend {spec['capability']}/{spec['backend']} needs the package {error.name!r}; "
            f"install what envs/{module.ENV}.yaml lists."
        ) from error

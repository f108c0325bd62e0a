"""Interchangeable models. `scripts/backends/<capability>/<name>.py` is one backend.

A backend file has a docstring (what it is, source, licence, what it needs), `ENV` (the file in
envs/ that its rule runs in, or several, the preferred one first), `GPU` (whether it can run on one)
and `load(**options)`, which imports what is heavy and returns the object that the contract in
`scripts/backends/<capability>/__init__.py` describes. Adding a backend is adding that file: it is
found by its name.

What can run on a GPU has the option `device`: "cuda" unless the config says "cpu". What asks a
service over the network has the options `model`, `address` and `key`, the name of the environment
variable with its key, and asks through scripts/common/calls.py. `CHOICES`, if there, are the values
of options that have few: {option: (value, ...)}; another one is refused before any job.
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
        environment = module.ENV if isinstance(module.ENV, str) else module.ENV[0]
        raise UserError(
            f"backend {spec['capability']}/{spec['backend']} needs the package {error.name!r}; "
            f"install what envs/{environment}.yaml lists."
        ) from error

"""What says which backend a job uses, and how.

A spec is a param of rules, so it is pickled into the scripts of jobs: nothing is imported here that
an environment may lack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from scripts.common.errors import UserError


class ModelSpec(NamedTuple):
    """A backend and its options, those that name other models resolved to specs of their own.

    A tuple, as Snakemake compares the params of two runs only where they are built-in types (a
    dataclass it would leave out): it records their `repr`, in which the options are sorted.
    """

    capability: str
    backend: str
    options: Mapping[str, Any] = {}
    folder: str | None = None  # of `backend_paths` that has the backend; None: scripts/backends

    def __repr__(self) -> str:
        options = dict(sorted(self.options.items()))
        return f"ModelSpec{(self.capability, self.backend, options, self.folder)}"

    @property
    def label(self) -> str:
        """How messages and tables name the backend."""
        return f"{self.capability}/{self.backend}"

    @property
    def parts(self) -> list[ModelSpec]:
        """The specs among the options."""
        return [value for value in self.options.values() if isinstance(value, ModelSpec)]


def from_json(document: Any) -> ModelSpec:
    """A spec, and those in its options, out of what JSON holds.

    Raises UserError, saying what is missing or unknown.
    """
    form = '{"capability": ..., "backend": ..., "options": {...}}'
    if not isinstance(document, Mapping):
        raise UserError(f"a model is written {form}, not {document!r}.")
    missing = [key for key in ("capability", "backend") if key not in document]
    unknown = sorted(set(document) - set(ModelSpec._fields))
    if missing or unknown:
        fault = f"lacks {' and '.join(missing)}" if missing else f"knows no {', '.join(unknown)}"
        raise UserError(f"a model is written {form}; {dict(document)} {fault}.")
    options = {
        key: from_json(value) if isinstance(value, Mapping) and "backend" in value else value
        for key, value in document.get("options", {}).items()
    }
    return ModelSpec(**{**document, "options": options})

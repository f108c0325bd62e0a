"""Speed of each backend versus its package's own simplest loop, on the same tiny model.

Each module covers one capability: `cases()` yields a `Case` per backend, loaded; the first of
several rounds is the warm-up. `python -m benchmarks.models` times them all (`make bench-models`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts import backends
from scripts.workflow.model_spec import ModelSpec


@dataclass(frozen=True)
class Case:
    """The same items processed by our backend and by the package's simplest loop."""

    name: str  # capability/backend
    items: int
    seconds: float | None  # of audio in the input or output, None for text
    ours: Callable[[], object]
    simplest: Callable[[], object]


def made(name: str) -> Path:
    """The folder of the tiny model that stands in for `name`."""
    from tests.models import tiny

    return tiny.make(name, Path(os.environ["SPEECHROLE_WEIGHTS"]))


def loaded(capability: str, backend: str, **options: Any) -> Any:
    """A loaded backend, with the given options."""
    return backends.load(ModelSpec(capability, backend, options))

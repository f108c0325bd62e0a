"""Speed of each backend beside its package's own simplest loop, on the same tiny model.

A module here serves one capability: `cases()` yields a `Case` a backend, loaded and warmed up.
`python -m benchmarks.models` times them all (`make bench-models`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """The same items done by our backend and by the package's simplest loop."""

    name: str  # capability/backend
    items: int
    seconds: float | None  # of audio that the items hold or become, None for text
    ours: Callable[[], object]
    simplest: Callable[[], object]

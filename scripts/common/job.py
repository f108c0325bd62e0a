"""The job of this process, for context that cannot be passed down as arguments.

Created by scripts/workflow/stage.py. Outside a job, as when a test calls a stage, nothing is
cached, services follow config/config.yaml, and progress goes to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, TextIO


@dataclass(frozen=True)
class Job:
    """A running stage: its name, the merged config of the run (None outside one), the user's screen
    and the model cache (None: no caching).
    """

    stage: str = ""
    config: Mapping[str, Any] | None = None
    screen: TextIO | None = None
    cache: Any = None  # scripts.workflow.cache_files.CacheFiles


_current: ContextVar[Job] = ContextVar("job")


def current() -> Job:
    """The job of this process; an empty `Job` outside one."""
    return _current.get(Job())


def screen() -> TextIO:
    """The user's screen; all other output goes into the job's log."""
    return current().screen or sys.stderr


@contextmanager
def entered(job: Job) -> Iterator[None]:
    """Makes `job` the current one."""
    token = _current.set(job)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def uncached() -> Iterator[None]:
    """Turns caching off: models that a model loads are part of it and cache nothing themselves."""
    with entered(replace(current(), cache=None)):
        yield

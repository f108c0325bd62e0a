"""The job that this process does, for what cannot be handed down to it as an argument.

scripts/workflow/stage.py makes it. Outside of a job, as when a test calls a stage, nothing is kept,
services have the rules of config/config.yaml, and progress is told on standard error.
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
    """A stage at work: its name, the merged config of the run (None outside of one), the screen of
    the person who runs it, and the files in which its models keep what they make (None: nowhere).
    """

    stage: str = ""
    config: Mapping[str, Any] | None = None
    screen: TextIO | None = None
    cache: Any = None  # scripts.workflow.cache_files.CacheFiles


_current: ContextVar[Job] = ContextVar("job")


def current() -> Job:
    """The job of this process; outside of one, a `Job` of nothing."""
    return _current.get(Job())


def screen() -> TextIO:
    """Where a person sees what is said while a job runs; its log has the rest."""
    return current().screen or sys.stderr


@contextmanager
def entered(job: Job) -> Iterator[None]:
    """While this lasts, `job` is the current one."""
    token = _current.set(job)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def uncached() -> Iterator[None]:
    """While a model works, those that it loads are parts of it and keep nothing by themselves."""
    with entered(replace(current(), cache=None)):
        yield

"""The job of this process, for context that cannot be passed down as arguments.

Created by scripts/workflow/stage.py. Outside a job, as when a test calls a stage, nothing is
cached, services follow config/config.yaml, and progress goes to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, TextIO


@dataclass(frozen=True)
class Job:
    """A running stage: its name, the merged config of the run (None outside one), the user's
    screen, the model cache (None: no caching), and what takes the results that a model has made.
    """

    stage: str = ""
    config: Mapping[str, Any] | None = None
    screen: TextIO | None = None
    cache: Any = None  # scripts.workflow.cache_files.CacheFiles
    taker: Callable[[Any, str, int, Any], None] | None = None


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
    with entered(replace(current(), cache=None, taker=None)):
        yield


def made(model: Any, method: str, place: int, result: Any) -> None:
    """Says that `model` has the result of the item at `place` in the present call of `method`, so
    that the cache has it on disk before the call returns: a job that is stopped keeps it."""
    if taker := current().taker:
        taker(model, method, place, result)


@contextmanager
def passed_on(inner: Any, method: str, take: Callable[[int, Any], None]) -> Iterator[None]:
    """While this lasts, `take` gets the places and results that the model `inner`, a part of the
    present one, has made in `method`; what it makes of them counts as the present model's."""
    outer = current()

    def taker(model: Any, name: str, place: int, result: Any) -> None:
        if model is inner and name == method:
            with entered(outer):
                take(place, result)

    with entered(replace(outer, taker=taker)):
        yield


def kept(model: Any, method: str, results: Iterable[Any]) -> list[Any]:
    """The results of all items of a call, in their order, each `made` as it comes."""
    found = []
    for place, result in enumerate(results):
        made(model, method, place, result)
        found.append(result)
    return found

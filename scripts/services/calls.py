"""A call to a service, its response, and its result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Response:
    """An answer, as a backend reads it."""

    value: Any  # JSON
    used: Mapping[str, float]  # units of config/prices.tsv
    version: str = ""  # the model that says it answered; empty: the one that was asked
    blob: bytes | None = None  # audio


@dataclass(frozen=True)
class Call:
    """A call to send.

    `parts` (JSON) are everything that determines the answer besides the service, its address and
    its model: messages, parameters, digests of audio, the sample number. `send` sends the call; its
    argument is how often the answer was truncated so far, and the token limit doubles each time.
    `most` is the most that it may use, in units of config/prices.tsv.
    """

    parts: Mapping[str, Any]
    send: Callable[[int], Awaitable[Response]]
    most: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """The result of a call: a value, or None and the reason."""

    value: Any
    blob: bytes | None = None
    version: str | None = None
    seconds: float = 0.0  # of the successful attempt
    reason: str | None = None
    raw: str | None = None

"""What is asked of a service, what it says, and what becomes of the call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Response:
    """An answer as a backend keeps it."""

    value: Any  # JSON
    used: Mapping[str, float]  # units of config/prices.tsv
    version: str = ""  # who says to have answered; empty: the model that was asked
    blob: bytes | None = None  # audio


@dataclass(frozen=True)
class Call:
    """What is asked.

    `parts` (JSON) are all that decides the answer beside the service, its address and its model:
    messages, parameters, digests of audio, the number of the sample. `send` sends it; its argument
    says how often the answer was cut short, and doubles the limit of tokens as often. `most` is
    what it may use at most, in units of config/prices.tsv.
    """

    parts: Mapping[str, Any]
    send: Callable[[int], Awaitable[Response]]
    most: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What became of a call: a value, or None and why."""

    value: Any
    blob: bytes | None = None
    version: str | None = None
    seconds: float = 0.0  # of the attempt that was answered
    reason: str | None = None
    raw: str | None = None

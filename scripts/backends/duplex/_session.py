"""A session with a service that is spoken to: its clock, its recording, and what it used."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.backends.duplex._timeline import Timeline
from scripts.services.openai_chat import most_tokens

HEARD = 32  # the most tokens of a second of speech
EXCHANGE = 5.0  # seconds: more often than that a system is not taken to reply
Event = dict[str, Any]


@dataclass
class Recording:
    """The events of a session, [time, ">" sent or "<" received, event, bytes of audio, digest of
    the audio], and the audio received."""

    events: list[list] = field(default_factory=list)
    sound: bytearray = field(default_factory=bytearray)

    def add(self, t: float, way: str, event: Event, data: bytes = b"") -> None:
        digest = hashlib.sha256(data).hexdigest()[:16] if data else ""
        self.events.append([t, way, event, len(data), digest])
        if way == "<":
            self.sound += data


@dataclass
class Session:
    """A conversation under way."""

    request: Event  # the session as it is asked for
    user: bytes  # 16-bit PCM
    line: Timeline
    most: Mapping[str, float]  # that the conversation may use
    pace: float
    send: Callable[[Event, bytes], Awaitable[None]] = field(init=False)
    recording: Recording = field(default_factory=Recording)
    ready: asyncio.Event = field(default_factory=asyncio.Event)  # it may be spoken to
    version: str = ""
    accounts: dict[str, dict[str, float]] = field(default_factory=dict)  # usage, by reply
    items: dict[str, tuple[str, int]] = field(default_factory=dict)  # a reply's item and its part
    clock: Any = None  # from when it is ready
    last: float = field(default_factory=time.monotonic)  # when a message came last
    late: float = 0.0  # seconds that a frame was sent late, at most

    @property
    def now(self) -> float:
        return 0.0 if self.clock is None else round(self.clock.now(), 4)

    @property
    def share(self) -> dict[str, float]:
        """The most that one reply may use."""
        return {unit: n / turns(self.line.seconds) for unit, n in self.most.items()}

    def book(self, group: str, used: Mapping[str, float]) -> None:
        """Count what a reply used."""
        self.accounts[group] = total([self.accounts.get(group, {}), used])

    def spent(self) -> dict[str, float]:
        """What all replies used; one that the service did not account for counts as reserved."""
        left = self.line.begun - self.accounts.keys()
        return total([*self.accounts.values(), *(self.share for _ in left)])


def total(accounts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The sum of usages, by unit."""
    found: Counter[str] = Counter()
    for account in accounts:
        found.update(account)
    return dict(found)


class WallClock:
    """Seconds of a session's conversation since it began, `pace` of them in a second."""

    def __init__(self, session: Session):
        self.pace, self.begun = session.pace, time.monotonic()

    def now(self) -> float:
        return (time.monotonic() - self.begun) * self.pace

    async def until(self, t: float) -> None:
        await asyncio.sleep(max(0.0, self.begun + t / self.pace - time.monotonic()))


def turns(seconds: float) -> int:
    """The most replies that a conversation of `seconds` is taken to have."""
    return 1 + math.ceil(seconds / EXCHANGE)


def most_of(role_prompt: str, seconds: float, max_tokens: int) -> dict[str, float]:
    """Upper bound on a conversation's usage: each reply reads all that was said before."""
    replies = turns(seconds)
    said = 2 * HEARD * seconds  # by both sides
    return {
        "input token": replies * (most_tokens([role_prompt]) + HEARD * seconds),
        "input audio token": replies * (said + HEARD),
        "output token": replies * max_tokens,
        "output audio token": replies * max_tokens,
    }

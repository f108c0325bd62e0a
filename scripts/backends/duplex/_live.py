"""Shared by duplex backends that are services: sessions paced by a clock, recorded and replayed.

A session sends the user's side in frames, each when a listener would have heard it to its end, and
records every event of both directions with its time. The system's side is a function of that
recording alone (`replayed`), so that a stored conversation gives the same samples again. What is
stored: the events, audio replaced by its size and digest, and the audio received, in one blob.
Attempts that fail are recorded, too: the ledger's column `raw` has their events and the name of
their audio (scripts/services/blobs.py).

A server that stalls is given up after `stall` seconds: one that does not begin the session, that
does not end a reply which it began, or that answers no ping. A system that never speaks is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np

from scripts.backends.duplex import FRAME, RATE, Call, Side
from scripts.backends.duplex._session import Event, Session, WallClock, most_of
from scripts.backends.duplex._timeline import Timeline
from scripts.common import audio, job
from scripts.common.errors import UserError
from scripts.common.json_path import mended
from scripts.services import errors
from scripts.services.calls import Call as Request
from scripts.services.client import CallError, Client, Response, Result
from scripts.services.http_limits import Meter
from scripts.services.openai_chat import straight
from scripts.services.prices import widened

SETTLE = 5.0  # seconds to wait, after the end, for what the last reply used
LATE = 0.25  # seconds that a frame may be sent late without a warning
Received = tuple[Event, bytes, int]  # without its audio; the audio, 16-bit PCM; bytes on the wire


class LiveService(ABC):
    """Base class of services that are spoken to, for the contract in
    scripts/backends/duplex/__init__.py."""

    voice_mode = "own"
    takes_role = True
    rate = RATE
    input_rate = RATE
    paired = False
    told = False  # of a machine that cannot keep the pace
    clock: Callable[[Session], Any] = WallClock

    def __init__(self, client: Client, pace: float, stall: float, max_tokens: int):
        if not (pace > 0 and stall > 0):
            raise UserError(
                f"{client.service}: `pace` and `stall` must be above 0, not {pace} and {stall}."
            )
        self.client, self.pace, self.stall, self.max_tokens = client, pace, stall, max_tokens

    @abstractmethod
    def request(self, call: Call, tokens: int) -> Event:
        """The session to ask for: role, voice, turn detection."""

    @abstractmethod
    def connect(self, session: Session) -> contextlib.AbstractAsyncContextManager[Any]:
        """A connection to the service."""

    @abstractmethod
    async def open(self, session: Session, connection: Any) -> None:
        """Ask for the session; sets `session.send`."""

    @abstractmethod
    def receive(self, connection: Any) -> AsyncIterator[Received]:
        """What comes over a connection."""

    @abstractmethod
    def frame(self, data: bytes) -> Event:
        """The event that sends a piece of the user's audio, which is not in it yet."""

    @abstractmethod
    def hear(self, line: Timeline, t: float, event: Event, data: bytes) -> dict[str, float]:
        """Put a received event on the time line. Returns the seconds that were heard of replies
        that it cut off."""

    @abstractmethod
    async def react(self, session: Session, event: Event, cut: dict[str, float]) -> None:
        """Usage, errors and answers to a received event that cut off some replies."""

    async def settle(self, session: Session) -> None:
        """Wait for what is owed after the conversation has ended, for SETTLE seconds at most."""
        return

    def converse(self, calls: list[Call]) -> list[Side]:
        """Its side of each conversation; see the contract. Nothing is asked for one that cannot be
        held."""
        unfit = [self.unfit(call) for call in calls]
        fit = [call for call, why in zip(calls, unfit, strict=True) if why is None]
        label = f"conversations of {self.client.model}"
        results = iter(self.client.ask([self.asked(call) for call in fit], label))
        return [
            Side(None, None, 0.0, why, self.client.model) if why else self.side(call, next(results))
            for call, why in zip(calls, unfit, strict=True)
        ]

    def unfit(self, call: Call) -> str | None:
        """Why a conversation cannot be held; None if it can."""
        if not len(call.user):
            return "the user's side is empty"
        bad = np.flatnonzero(~np.isfinite(call.user))
        if len(bad):
            return (
                f"{len(bad)} samples of the user's side are not numbers, "
                f"the first at {bad[0] / RATE:.3f} s"
            )
        seconds, most = len(call.user) / RATE / self.pace + SETTLE, self.client.rules.timeout
        if seconds > most:
            return (
                f"the conversation takes {seconds:.0f} s and services.timeout lets a call take "
                f"{most:g} s; raise it"
            )
        return None

    def asked(self, call: Call) -> Request:
        """The request to the service."""
        seconds = len(call.user) / RATE
        user = audio.pcm(audio.resample(call.user, RATE, self.input_rate))
        digest = hashlib.sha256(user).hexdigest()
        parts: Event = {"session": self.request(call, self.max_tokens), "user": digest}
        parts |= {"rate": self.input_rate, "pace": self.pace, "seed": call.seed}
        most = most_of(call.role_prompt, seconds, self.max_tokens)

        async def send(cuts: int) -> Response:
            request = self.request(call, self.max_tokens * 2**cuts)
            line = Timeline(seconds, self.paired)
            session = Session(request, user, line, widened(most, cuts), self.pace)
            return await self.hold(session)

        return Request(parts, send, most)

    async def hold(self, session: Session) -> Response:
        """Hold a conversation. An error gets the recording so far."""
        begun = time.perf_counter()
        try:
            await self.talk(session)
        except Exception as error:
            fault = errors.of(error)
            if fault is None:
                raise
            raise self.failed(session, fault) from error
        if session.late > LATE and not self.told:
            self.told = True
            print(
                f"Warning: this machine sent audio to {self.client.endpoint} up to "
                f"{session.late:.2f} s late, so that it seems slower than it is: lower "
                "services.limits of this model.",
                file=job.screen(),
            )
        recording, seconds = session.recording, time.perf_counter() - begun
        value = {"events": recording.events, "seconds": seconds, "late": round(session.late, 4)}
        value |= session.line.counts()
        blob = bytes(recording.sound) or None
        return Response(value, session.spent(), session.version, blob)

    async def talk(self, session: Session) -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(self.stall):
                connection = await stack.enter_async_context(self.connect(session))
                await self.open(session, connection)
            work = (self.listen(session, connection), self.speak(session), self.watch(session))
            tasks = [asyncio.create_task(part) for part in work]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task.done():
                        task.result()
                if not tasks[1].done():
                    at, whole = session.now, session.line.seconds
                    words = f"it ended the session after {at:.1f} of {whole:.1f} s"
                    raise CallError("transient", words)
                tasks.append(asyncio.create_task(self.settle(session)))
                await asyncio.wait(
                    [tasks[0], tasks[3]], timeout=SETTLE, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def speak(self, session: Session) -> None:
        """Send the user's side, frame by frame, each at its end."""
        try:
            await asyncio.wait_for(session.ready.wait(), self.stall)
        except TimeoutError as error:
            words = f"a stalled server: no session for {self.stall:g} s"
            raise CallError("transient", words) from error
        size = round(FRAME * self.input_rate) * 2
        session.clock = clock = self.clock(session)
        for first in range(0, len(session.user), size):
            data = session.user[first : first + size]
            end = (first + len(data)) / 2 / self.input_rate
            await clock.until(end)
            session.late = max(session.late, (session.now - end) / self.pace)
            await session.send(self.frame(data), data)

    async def listen(self, session: Session, connection: Any) -> None:
        """Record what the service sends, and put it on the time line."""
        meter = Meter(self.client.service)
        async for event, data, size in self.receive(connection):
            session.last = time.monotonic()
            t, event = session.now, mended(event)
            session.recording.add(t, "<", event, data)
            meter.add(size)
            cut = self.hear(session.line, t, event, data)
            await self.react(session, event, cut)

    async def watch(self, session: Session) -> None:
        """Raise CallError if the server stalls in the middle of a reply."""
        while True:
            await asyncio.sleep(self.stall / 4)
            line = session.line
            heard = line.playing / line.rate if line.rate else 0.0
            silent = time.monotonic() - session.last
            if line.open and min(silent, (session.now - heard) / self.pace) > self.stall:
                words = f"a stalled server: no message for {self.stall:g} s of a reply"
                raise CallError("transient", words)

    def failed(self, session: Session, fault: CallError) -> CallError:
        """The error of a conversation, with its recording; one that had begun may be charged."""
        recording, used = session.recording, session.spent()
        with contextlib.suppress(OSError):
            sound = bytes(recording.sound)
            name = self.client.store.audio.write(sound) if sound else None
            raw = json.dumps({"events": recording.events, "audio": name}, ensure_ascii=False)
            status = None if used else fault.status
            return CallError(fault.kind, fault.words, fault.wait, raw, used, status)
        return fault

    def replayed(self, events: list[list], sound: bytes, seconds: float) -> Timeline:
        """The time line of a recorded conversation of `seconds`."""
        line, at = Timeline(seconds, self.paired), 0
        for t, way, event, size, _ in events:
            if way == "<":
                self.hear(line, t, event, sound[at : at + size])
                at += size
        return line

    def side(self, call: Call, result: Result) -> Side:
        """The system's side by a call's result."""
        asked = self.client.model
        if result.value is None:
            why = result.reason or "no answer"
            return Side(None, None, result.seconds, why, asked, result.version)
        samples, value = len(call.user), result.value
        line = self.replayed(value["events"], result.blob or b"", samples / RATE)
        sound, words = line.side(RATE, samples), line.words()
        return Side(sound, words, value["seconds"], None, asked, result.version)

    def options(self) -> dict[str, Any]:
        """Options of the websocket: one that answers no ping is closed; packing takes too long."""
        own = {"ping_interval": self.stall, "ping_timeout": self.stall, "compression": None}
        return straight(self.client) | own

"""Stand-ins for services that are spoken to live, for tests: they answer by a script.

A script is a list of steps (seconds, action): when so much of the user's audio has come, the action
is done: a dict is sent as JSON, a text as it is, a number closes the session with this code, None
hangs. So what such a server says depends only on what it has heard so far, as with voice activity
detection. `scripts` has one script for each session, in order of arrival, or a dict: the handshake
is refused ({"status": 429, "headers": {...}}); all later sessions follow `script`.

Written from https://platform.openai.com/docs/api-reference/realtime and
https://ai.google.dev/api/live. `Steps` is a clock for a client of theirs in the same process.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any

import numpy as np
from aiohttp import WSMsgType, web

from tests.servers.gemini_live import PATH
from tests.servers.gemini_live import USAGE as TURN_USAGE
from tests.servers.openai_realtime import USAGE
from tests.servers.web import Served

RATE = 24_000
Script = list[tuple[float, Any]]


@dataclass
class Held:
    """A session: what came in, how much of the user was heard, how many messages were sent."""

    events: list[dict] = field(default_factory=list)
    heard: float = 0.0
    sent: int = 0
    reply: str | None = None  # of OpenAI's: the one that is being made


class Duplex(Served):
    """Base class: `script` for every session but those of `scripts`."""

    paths: tuple[str, ...] = ()
    rate, width = RATE, 2  # of the user's audio: Hz, bytes of a sample

    def __init__(
        self,
        key: str,
        script: Script,
        scripts: Sequence[Script | dict] = (),
        ssl: SSLContext | None = None,
    ):
        super().__init__(*(("GET", path, self.socket) for path in self.paths), ssl=ssl)
        self.key, self.script, self.scripts = key, script, list(scripts)
        self.sessions: list[Held] = []
        self.under_way = self.most = 0

    async def socket(self, request: web.Request) -> web.StreamResponse:
        script = self.scripts.pop(0) if self.scripts else self.script
        if isinstance(script, dict):
            return web.json_response({}, status=script["status"], headers=script.get("headers"))
        if self.key not in (*request.headers.values(), *request.query.values()) and (
            request.headers.get("Authorization") != f"Bearer {self.key}"
        ):
            return web.json_response({"error": {"message": "no"}}, status=401)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        held = Held()
        self.sessions.append(held)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.hold(socket, held, deque(script))
        finally:
            self.under_way -= 1
        return socket

    async def hold(self, socket: web.WebSocketResponse, held: Held, steps: deque) -> None:
        await self.act(socket, held, steps, -1.0)
        async for message in socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            event = json.loads(message.data)
            data = self.audio(event)
            held.heard += len(data or b"") / self.width / self.rate
            for answer in self.answers(held, event):
                await self.say(socket, held, answer)
            if data is not None:
                await self.act(socket, held, steps, held.heard)
            held.events.append(event)

    async def act(self, socket: Any, held: Held, steps: deque, heard: float) -> None:
        """The steps that are due."""
        while steps and steps[0][0] <= heard + 1e-6:
            action = steps.popleft()[1]
            if action is None:
                await asyncio.sleep(3600)
            elif isinstance(action, int):
                await socket.close(code=action)
            else:
                await self.say(socket, held, action)

    async def say(self, socket: web.WebSocketResponse, held: Held, message: dict | str) -> None:
        held.sent += "setupComplete" not in message  # which the client's SDK keeps
        if isinstance(message, dict):
            self.follow(held, message)
        await socket.send_str(message if isinstance(message, str) else json.dumps(message))

    def follow(self, held: Held, message: dict) -> None:
        """Note what is sent."""

    def audio(self, event: dict) -> bytes | None:
        """The user's audio in a message, if it has any."""
        raise NotImplementedError

    def answers(self, held: Held, event: dict) -> list[dict]:
        """What is said to a message without audio."""
        raise NotImplementedError


class DuplexRealtime(Duplex):
    """OpenAI's protocol. A step before all audio, at -1, comes in place of the session's start."""

    paths = ("/v1/realtime",)
    format = {"type": "audio/pcm", "rate": RATE}
    model = "duplex-x"

    def follow(self, held: Held, message: dict) -> None:
        if message.get("type") == "response.done":
            held.reply = None
        elif "response_id" in message:
            held.reply = message["response_id"]

    def audio(self, event: dict) -> bytes | None:
        if event["type"] != "input_audio_buffer.append":
            return None
        return base64.b64decode(event["audio"])

    def answers(self, held: Held, event: dict) -> list[dict]:
        session = {"model": self.model, "audio": {"output": {"format": self.format}}}
        if event["type"] == "session.update":
            return [
                {"type": f"session.{word}", "session": session} for word in ("created", "updated")
            ]
        if event["type"] == "response.cancel":
            if held.reply is not None:
                return [done(held.reply, "cancelled", usage=None)]
            error = {"type": "invalid_request_error", "code": "response_cancel_not_active"}
            return [{"type": "error", "error": error | {"event_id": event["event_id"]}}]
        return []


class DuplexLive(Duplex):
    """Gemini's protocol, over TLS."""

    paths = (PATH, f"/{PATH}")
    rate = 16_000

    def audio(self, event: dict) -> bytes | None:
        sent = event.get("realtimeInput") or event.get("realtime_input") or {}
        return base64.urlsafe_b64decode(sent["audio"]["data"]) if "audio" in sent else None

    def answers(self, held: Held, event: dict) -> list[dict]:
        return [{"setupComplete": {}}] if "setup" in event else []


class Steps:
    """A clock of a client's session that moves on once the server has answered all that it heard,
    and the client has got it: so times are those of the script, however slow the machine is."""

    def __init__(self, server: Duplex, session: Any):
        self.server, self.session, self.t = server, session, 0.0

    def now(self) -> float:
        return self.t

    async def until(self, t: float) -> None:
        held, events = self.server.sessions[-1], self.session.recording.events
        while True:
            sent = sum(way == ">" for _, way, *_ in events)
            if len(held.events) >= sent and len(events) - sent >= held.sent:
                break
            await asyncio.sleep(0.0005)
        self.t = t


def level(seconds: float, value: int, rate: int = RATE) -> str:
    """`seconds` of a constant sample, in base64."""
    return base64.b64encode(np.full(round(seconds * rate), value, "<i2").tobytes()).decode()


def started() -> dict:
    return {"type": "input_audio_buffer.speech_started", "item_id": "user"}


def created(reply: str) -> dict:
    return {"type": "response.created", "response": {"id": reply, "status": "in_progress"}}


def delta(reply: str, seconds: float, value: int, rate: int = RATE, **more: Any) -> dict:
    """A piece of a reply's audio."""
    place = {"response_id": reply, "item_id": reply and f"item-{reply}", "content_index": 0}
    kind = "response.output_audio.delta"
    return {"type": kind, "delta": level(seconds, value, rate), **place, **more}


def words(reply: str, text: str) -> dict:
    kind = "response.output_audio_transcript.delta"
    return {"type": kind, "response_id": reply, "item_id": reply and f"item-{reply}", "delta": text}


def done(reply: str, status: str = "completed", **more: Any) -> dict:
    response = {"id": reply, "status": status, "usage": USAGE, **more}
    return {"type": "response.done", "response": response}


def content(**fields: Any) -> dict:
    """A message of Gemini's."""
    return {"serverContent": fields}


def part(seconds: float, value: int, rate: int = RATE, kind: str = "audio/pcm;rate=24000") -> dict:
    """A piece of audio of Gemini's."""
    data = {"mimeType": kind, "data": level(seconds, value, rate)}
    return content(modelTurn={"role": "model", "parts": [{"inlineData": data}]})


def complete(**fields: Any) -> dict:
    """The end of a turn of Gemini's."""
    return content(turnComplete=True, **fields) | {"usageMetadata": TURN_USAGE}

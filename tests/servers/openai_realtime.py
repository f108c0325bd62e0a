"""A stand-in for OpenAI's Realtime service, for tests: a websocket at /v1/realtime.

Written from https://platform.openai.com/docs/api-reference/realtime (client and server events). A
session receives its instructions and items, and answers with a tone of half a second. `faults` has
one entry per session, in order of arrival; all later ones are served properly:
  {"status": 429, "headers": {...}}   the handshake is refused
  {"error": {...}}                    an error event instead of the reply
  {"close": True}                     the connection is lost in the middle of the reply
  {"response": {...}}                 fields of the finished response (status ...)
  {"mute": True}                      a complete response without audio
  {"odd": ...}                        this (JSON, or raw text) comes before response.done
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import numpy as np
from aiohttp import WSMsgType, web

from tests.servers.web import Served

TONE = (8000 * np.sin(np.arange(12_000) / 20)).astype("<i2").tobytes()  # half a second at 24 kHz
USAGE = {
    "input_tokens": 60,
    "output_tokens": 40,
    "total_tokens": 100,
    "input_token_details": {"text_tokens": 20, "audio_tokens": 40},
    "output_token_details": {"text_tokens": 10, "audio_tokens": 30},
}


class Realtime(Served):
    def __init__(self, key: str, faults: Sequence[dict] = (), model: str = "gpt-realtime-x"):
        super().__init__(("GET", "/v1/realtime", self.socket))
        self.key, self.faults, self.model = key, list(faults), model
        self.sessions: list[list[dict]] = []  # the events that came in

    async def socket(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.pop(0) if self.faults else {}
        if "status" in fault:
            return web.json_response(
                {"error": {"message": "told"}}, status=fault["status"], headers=fault.get("headers")
            )
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"message": "no"}}, status=401)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        events: list[dict] = []
        self.sessions.append(events)
        session = {"type": "realtime", "model": self.model, "object": "realtime.session", "id": "s"}
        await self.say(socket, "session.created", session=session)
        async for message in socket:
            if message.type != WSMsgType.TEXT:
                break
            events.append(json.loads(message.data))
            if events[-1]["type"] == "response.create":
                await self.reply(socket, fault)
        return socket

    async def reply(self, socket: web.WebSocketResponse, fault: dict) -> None:
        if "error" in fault:
            await self.say(socket, "error", error=fault["error"])
            return
        place = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
        for first in range(0, 0 if fault.get("mute") else len(TONE), 9000):
            piece = base64.b64encode(TONE[first : first + 9000]).decode()
            await self.say(socket, "response.output_audio.delta", delta=piece, **place)
            if fault.get("close"):
                await socket.close(code=1011)
                return
        if "odd" in fault:
            odd = fault["odd"]
            await socket.send_str(odd if isinstance(odd, str) else json.dumps(odd))
        for word in ("I am", " Joe."):
            await self.say(socket, "response.output_audio_transcript.delta", delta=word, **place)
        response = {"id": "r", "object": "realtime.response", "status": "completed"}
        response |= {"usage": USAGE, "status_details": None, **fault.get("response", {})}
        await self.say(socket, "response.done", response=response)

    async def say(self, socket: web.WebSocketResponse, kind: str, **fields) -> None:
        await socket.send_str(json.dumps({"type": kind, "event_id": "e", **fields}))

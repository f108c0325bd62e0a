"""A stand-in for Gemini's Live service, for tests: the websocket BidiGenerateContent.

Written from https://ai.google.dev/api/live. It speaks TLS, because the SDK requires it. After the
setup and the marked speech it transcribes, answers with a tone of half a second and says that the
turn is complete. `faults` has one entry per session, in order of arrival; all later ones are served
properly:
  {"status": 429, "headers": {...}}   the handshake is refused
  {"end": (code, reason)}             the service ends the session instead of answering
  {"close": True}                     the connection is lost in the middle of the reply
  {"why": "..."}                      the turn ends for this reason (turnCompleteReason)
  {"mute": True}                      a turn without audio
  {"usage": {...}}                    other usage figures
  {"odd": ...}                        this (JSON, or raw text) comes before the turn's end
  {"late": (code, reason)}            the service ends the session before the turn's end
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from ssl import SSLContext

from aiohttp import WSMsgType, web

from tests.servers.openai_realtime import TONE
from tests.servers.web import Served

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
USAGE = {
    "promptTokenCount": 60,
    "responseTokenCount": 40,
    "thoughtsTokenCount": 5,
    "totalTokenCount": 105,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 20},
        {"modality": "AUDIO", "tokenCount": 40},
    ],
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}],
}


class Live(Served):
    def __init__(self, key: str, faults: Sequence[dict] = (), ssl: SSLContext | None = None):
        super().__init__(("GET", PATH, self.socket), ("GET", f"/{PATH}", self.socket), ssl=ssl)
        self.key, self.faults = key, list(faults)
        self.sessions: list[list[dict]] = []  # the messages that came in

    async def socket(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.pop(0) if self.faults else {}
        if "status" in fault:
            return web.json_response({}, status=fault["status"], headers=fault.get("headers"))
        given = request.headers.get("x-goog-api-key") or request.query.get("key")
        if given != self.key:
            return web.json_response({"error": {"message": "no"}}, status=401)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        messages: list[dict] = []
        self.sessions.append(messages)
        async for message in socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            messages.append(json.loads(message.data))
            if "setup" in messages[-1]:
                await say(socket, setupComplete={})
            elif "activityEnd" in messages[-1].get(
                "realtimeInput", messages[-1].get("realtime_input", {})
            ):
                await self.reply(socket, fault)
        return socket

    async def reply(self, socket: web.WebSocketResponse, fault: dict) -> None:
        if "end" in fault:
            code, reason = fault["end"]
            await socket.close(code=code, message=reason.encode())
            return
        await say(socket, serverContent={"inputTranscription": {"text": "Who are you?"}})
        for first in range(0, 0 if fault.get("mute") else len(TONE), 9000):
            data = base64.b64encode(TONE[first : first + 9000]).decode()
            part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}
            await say(socket, serverContent={"modelTurn": {"role": "model", "parts": [part]}})
            if fault.get("close"):
                await socket.close(code=1011)
                return
        if "odd" in fault:
            odd = fault["odd"]
            await socket.send_str(odd if isinstance(odd, str) else json.dumps(odd))
        if "late" in fault:
            code, reason = fault["late"]
            await socket.close(code=code, message=reason.encode())
            return
        await say(socket, serverContent={"outputTranscription": {"text": "I am Joe."}})
        done = {"turnComplete": True} | (
            {"turnCompleteReason": fault["why"]} if "why" in fault else {}
        )
        await say(socket, serverContent=done, usageMetadata=fault.get("usage", USAGE))


async def say(socket: web.WebSocketResponse, **fields) -> None:
    await socket.send_str(json.dumps(fields))

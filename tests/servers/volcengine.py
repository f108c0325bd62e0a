"""A stand-in for Volcano Engine's speech synthesis (bidirectional websocket, V3), for tests.

Written from https://www.volcengine.com/docs/6561/1329505: binary messages of a four-byte header, an
event number, an id and a payload, all sizes big-endian; error codes from .../2534853. Speech is a
tone, a twentieth of a second per character.

`faults` has one entry per websocket, in order of arrival; all later ones are served properly:
  {"status": 401, "headers": {...}}                        the handshake is refused
  {"code": 45000000, "message": ..., "how": "error" | "connection" | "session" | "end" | "text"}
                                                           an error, in each of its forms
  {"close": True}   the connection is lost in the middle of the speech
  {"mute": True}    the session finishes without speech
  {"garbled": True} a message of two bytes
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

from aiohttp import web

from tests.servers.dashscope import tone
from tests.servers.web import Served

VOICES = {
    "seed-tts-2.0": {"en_female_dacey_uranus_bigtts", "zh_female_xiaohe_uranus_bigtts"},
}
REQUEST, RESPONSE, SPEECH, ERROR = 0b0001, 0b1001, 0b1011, 0b1111
WITH_EVENT, JSON, RAW = 0b0100, 0b0001, 0b0000


class Lost(Exception):
    """The connection is to be dropped."""


class Doubao(Served):
    def __init__(self, key: str = "volc-test", faults: Sequence[dict] = ()):
        super().__init__(("GET", "/api/v3/tts/bidirection", self.socket))
        self.key, self.faults = key, list(faults)
        self.texts: list[str] = []
        self.sessions: list[dict] = []  # parameters
        self.sockets = 0

    async def socket(self, request: web.Request) -> web.StreamResponse:
        self.sockets += 1
        fault = self.faults.pop(0) if self.faults else {}
        if "status" in fault:
            return web.Response(status=fault["status"], headers=fault.get("headers"))
        if request.headers.get("X-Api-Key") != self.key:
            return web.Response(status=401, text="invalid X-Api-Key")
        resource = request.headers["X-Api-Resource-Id"]
        if resource not in VOICES:
            return web.Response(status=403, text="requested resource not granted")
        assert request.headers["X-Control-Require-Usage-Tokens-Return"] == "*"
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        try:
            await self.talk(socket, VOICES[resource], fault)
        except Lost:
            request.transport.abort()
        return socket

    async def talk(self, socket, voices: set[str], fault: dict) -> None:
        await client(socket, 1)
        if fault.get("how") == "connection":
            await send(socket, 51, "connection", said(fault))
            return
        await send(socket, 50, "connection", {})
        session, begun = await client(socket, 100)
        params = begun["req_params"]
        self.sessions.append(params)
        audio = params["audio_params"]
        assert audio["format"] == "pcm" and isinstance(json.loads(params["additions"]), dict)
        if params["speaker"] not in voices:
            await error(
                socket, 45000000, "speaker permission denied: get resource id: access denied"
            )
            return
        await send(socket, 150, session, {})
        text = ""
        while True:
            number, (_, asked) = await either(socket, 200, 102)
            if number == 102:
                break
            text += asked["req_params"]["text"]
        self.texts.append(text)
        if await self.wrong(socket, session, fault):
            return
        await send(socket, 350, session, {"text": text})
        speech = b"" if fault.get("mute") else tone(text, audio["sample_rate"])
        for start in range(0, len(speech), 4000):
            await send(socket, 352, session, speech[start : start + 4000])
            if fault.get("close"):
                raise Lost
        await send(socket, 351, session, {"text": text})
        usage = {"text_words": len(text)}
        await send(socket, 152, session, {"status_code": 20000000, "message": "ok", "usage": usage})
        await client(socket, 2)
        await send(socket, 52, "connection", {})

    async def wrong(self, socket, session: str, fault: dict) -> bool:
        """Whether the session ends with an error."""
        if fault.get("garbled"):
            await socket.send_bytes(b"\x11\x94")
        elif fault.get("how") == "error":
            await error(socket, fault["code"], fault["message"])
        elif fault.get("how") == "session":
            await send(socket, 153, session, said(fault))
        elif fault.get("how") == "end":
            await send(socket, 152, session, said(fault))
        elif fault.get("how") == "text":
            await socket.send_str(fault["message"])
        else:
            return False
        return True


def said(fault: dict) -> dict:
    return {"status_code": fault["code"], "message": fault["message"]}


async def client(socket, event: int) -> tuple[str, dict]:
    """The id and the payload of the next message, which must be of a given event."""
    return (await either(socket, event))[1]


async def either(socket, *events: int) -> tuple[int, tuple[str, dict]]:
    data = (await socket.receive()).data
    head, number = data[:4], struct.unpack(">I", data[4:8])[0]
    assert head == bytes([0x11, REQUEST << 4 | WITH_EVENT, JSON << 4, 0]) and number in events
    at, name = 8, ""
    if number >= 100:  # of a session
        size = struct.unpack(">I", data[8:12])[0]
        at, name = 12 + size, data[12 : 12 + size].decode()
    size = struct.unpack(">I", data[at : at + 4])[0]
    assert len(data) == at + 4 + size
    return number, (name, json.loads(data[at + 4 :]))


async def send(socket, event: int, name: str, payload: dict | bytes) -> None:
    raw = isinstance(payload, bytes)
    body = payload if raw else json.dumps(payload, ensure_ascii=False).encode()
    kind, form = (SPEECH, RAW) if raw else (RESPONSE, JSON)
    head = bytes([0x11, kind << 4 | WITH_EVENT, form << 4, 0])
    named = struct.pack(">I", len(name)) + name.encode()
    await socket.send_bytes(
        head + struct.pack(">I", event) + named + struct.pack(">I", len(body)) + body
    )


async def error(socket, code: int, message: str) -> None:
    body = json.dumps({"error": message}).encode()
    head = bytes([0x11, ERROR << 4, JSON << 4, 0])
    await socket.send_bytes(head + struct.pack(">II", code, len(body)) + body)

"""A stand-in for Alibaba Cloud Model Studio, for tests: recognition, synthesis, voices, uploads.

Written from https://help.aliyun.com/zh/model-studio/: the server events of Paraformer and of
CosyVoice, the voice cloning API, and the upload of local files. Speech is a tone, a twentieth of a
second per character; `hears` gives the transcript of a clip. It bills like the service, and refuses
the same things: other models, voices that were not enrolled, long texts, unknown keys.

`faults` has one entry per websocket, in order of arrival; all later ones are served properly:
  {"status": 429, "headers": {...}, "body": {...}}   the handshake is refused
  {"code": "Throttling", "message": ..., "when": "start" | "middle"}   task-failed
  {"close": True}    the connection is lost in the middle of the answer
  {"mute": True}     the task finishes, and there is neither speech nor text
  {"odd": True}      the speech ends in the middle of a sample
`voice_faults` are (status, code, message) of requests that create a voice, in the same way.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from aiohttp import WSMsgType, web

from tests.servers.web import Served

RECOGNISER, SYNTHESISER = "paraformer-realtime-v2", "cosyvoice-v2"
STOCK = {"longxiaochun_v2", "longwan_v2"}
LONGEST = 2000  # billed characters of one message


class Failed(Exception):
    """An error code and its message."""


class ModelStudio(Served):
    def __init__(
        self,
        key: str = "sk-test",
        hears: Callable[[bytes], list[str]] = lambda sound: [],
        faults: Sequence[dict] = (),
        voice_faults: Sequence[tuple] = (),
    ):
        super().__init__(
            ("GET", "/api-ws/v1/inference", self.socket),
            ("GET", "/api/v1/uploads", self.policy),
            ("POST", "/store", self.upload),
            ("POST", "/api/v1/services/audio/tts/customization", self.customization),
        )
        self.key, self.hears = key, hears
        self.faults, self.voice_faults = list(faults), list(voice_faults)
        self.tasks: list[dict[str, Any]] = []  # the payloads of run-task
        self.texts: list[str] = []  # that were spoken
        self.sounds: list[bytes] = []  # that were heard
        self.uploads: dict[str, bytes] = {}
        self.store = "{}/store"  # where clips go; {} is the server's address
        self.stored = web.Response  # makes what is answered to one
        self.voices: dict[str, str] = {}  # id -> status
        self.slow = 0  # looks at a voice until it is ready
        self.room = 1000

    # --- recognition and synthesis ------------------------------------------------------------

    async def socket(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.pop(0) if self.faults else {}
        if "status" in fault:
            return web.json_response(
                fault.get("body", {}), status=fault["status"], headers=fault.get("headers")
            )
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"code": "InvalidApiKey", "message": "no"}, status=401)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        task = Task(self, socket, request, fault)
        try:
            await task.run()
        except Failed as error:
            code, message = error.args
            await task.event("task-failed", error_code=code, error_message=message)
            await socket.close()
        return socket

    # --- voices -------------------------------------------------------------------------------

    async def policy(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return answer({"code": "InvalidApiKey", "message": "Invalid API-key provided."}, 401)
        assert request.query["action"] == "getPolicy" and request.query["model"]
        allowed = {
            "policy": "p",
            "signature": "s",
            "upload_dir": "dashscope-instant/1",
            "upload_host": self.store.format(self.address),
            "oss_access_key_id": "i",
            "x_oss_object_acl": "private",
            "x_oss_forbid_overwrite": "true",
        }
        return answer({"data": allowed, "request_id": "1"})

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert (form["policy"], form["Signature"], form["OSSAccessKeyId"]) == ("p", "s", "i")
        if f"oss://{form['key']}" in self.uploads:
            return web.Response(status=409, text="FileAlreadyExists")
        self.uploads[f"oss://{form['key']}"] = form["file"].file.read()
        return self.stored()

    async def customization(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return answer({"code": "InvalidApiKey", "message": "Invalid API-key provided."}, 401)
        asked = await request.json()
        assert asked["model"] == "voice-enrollment"
        found = getattr(self, asked["input"]["action"])(asked["input"], request)
        return found if isinstance(found, web.Response) else answer({"output": found})

    def list_voice(self, asked: dict, request: web.Request) -> dict:
        own = [name for name in self.voices if f"-{asked['prefix']}-" in name]
        return {"voice_list": [{"voice_id": name, "status": self.voices[name]} for name in own]}

    def create_voice(self, asked: dict, request: web.Request) -> dict | web.Response:
        if self.voice_faults:
            status, code, message = self.voice_faults.pop(0)
            return answer({"code": code, "message": message, "request_id": "1"}, status)
        if len(self.voices) >= self.room:
            words = "Maximum voice storage limit exceeded"
            return answer({"code": "Throttling.AllocationQuota", "message": words}, 400)
        assert asked["prefix"].isalnum() and asked["prefix"].islower() and len(asked["prefix"]) < 11
        resolved = request.headers.get("X-DashScope-OssResourceResolve") == "enable"
        if not resolved or asked["url"] not in self.uploads:
            words = "Failed to download the input file"
            return answer({"code": "BadRequest.InputDownloadFailed", "message": words}, 400)
        name = f"{asked['target_model']}-{asked['prefix']}-{len(self.voices):08x}"
        self.voices[name] = "DEPLOYING" if self.slow else "OK"
        return {"voice_id": name}

    def query_voice(self, asked: dict, request: web.Request) -> dict:
        if self.slow:
            self.slow -= 1
        elif self.voices[asked["voice_id"]] == "DEPLOYING":
            self.voices[asked["voice_id"]] = "OK"
        return {"status": self.voices[asked["voice_id"]], "resource_link": "https://example.com"}


class Task:
    """One task of one websocket."""

    def __init__(self, studio: ModelStudio, socket, request: web.Request, fault: dict):
        self.studio, self.socket, self.request, self.fault = studio, socket, request, fault

    async def event(self, name: str, payload: dict | None = None, **header) -> None:
        head = {"task_id": self.id, "event": name, "attributes": {}, **header}
        await self.socket.send_str(json.dumps({"header": head, "payload": payload or {}}))

    async def action(self, *wanted: str) -> dict:
        message = await self.socket.receive()
        said = message.json()
        assert said["header"]["action"] in wanted and said["header"]["streaming"] == "duplex"
        return said

    def fail(self, when: str) -> None:
        if self.fault.get("when") == when:
            raise Failed(self.fault["code"], self.fault.get("message", "no"))

    async def lose(self) -> None:
        if self.fault.get("close"):
            await asyncio.sleep(0.05)
            self.request.transport.abort()
            raise asyncio.CancelledError

    async def run(self) -> None:
        begun = await self.action("run-task")
        self.id, asked = begun["header"]["task_id"], begun["payload"]
        self.fail("start")
        self.studio.tasks.append(asked)
        assert asked["task_group"] == "audio"
        work = {("asr", RECOGNISER): self.hear, ("tts", SYNTHESISER): self.speak}
        if (asked["task"], asked["model"]) not in work:
            raise Failed("ModelNotFound", f"Model {asked['model']} can not be found.")
        await self.event("task-started")
        payload = await work[asked["task"], asked["model"]](asked["parameters"])
        await self.event("task-finished", {"output": {}, **payload})

    async def hear(self, parameters: dict) -> dict:
        assert (parameters["format"], parameters["sample_rate"]) == ("pcm", 16_000)
        sound = b""
        while True:
            message = await self.socket.receive()
            if message.type == WSMsgType.TEXT:
                assert message.json()["header"]["action"] == "finish-task"
                break
            sound += message.data
            self.fail("middle")
        self.studio.sounds.append(sound)
        sentences = [] if self.fault.get("mute") else self.studio.hears(sound)
        await self.result({"text": "", "heartbeat": True, "end_time": None}, None)
        duration = math.ceil(len(sound) / 32_000)
        for number, text in enumerate(sentences, start=1):
            open_ended = {"text": text[: len(text) // 2], "end_time": None, "sentence_end": False}
            await self.result(open_ended, None)
            await self.lose()
            whole = {"text": text, "end_time": 1000 * number, "sentence_end": True}
            await self.result(whole, {"duration": duration})
        return {"usage": {"duration": duration}}

    async def result(self, sentence: dict, usage: dict | None) -> None:
        sentence = {"begin_time": 0, "heartbeat": False, **sentence}
        await self.event("result-generated", {"output": {"sentence": sentence}, "usage": usage})

    async def speak(self, parameters: dict) -> dict:
        assert parameters["format"] == "pcm" and parameters["text_type"] == "PlainText"
        if parameters["voice"] not in STOCK and self.studio.voices.get(parameters["voice"]) != "OK":
            raise Failed("InvalidParameter", "[cosyvoice:]Engine return error code: 418")
        text = ""
        while True:
            said = await self.action("continue-task", "finish-task")
            if said["header"]["action"] == "finish-task":
                break
            piece = said["payload"]["input"]["text"]
            if billed(piece) > LONGEST:
                raise Failed("InvalidParameter", "Text is too long.")
            text += piece
        self.studio.texts.append(text)
        sound = tone(text, parameters["sample_rate"])
        sound = sound[:-1] if self.fault.get("odd") else b"" if self.fault.get("mute") else sound
        for start in range(0, len(sound), 4000):
            await self.socket.send_bytes(sound[start : start + 4000])
            self.fail("middle")
            await self.lose()
        return {"usage": {"characters": billed(text)}}


def answer(body: dict, status: int = 200) -> web.Response:
    return web.json_response({"request_id": "1", **body}, status=status)


def billed(text: str) -> int:
    return sum(2 if "\u4e00" <= letter <= "\u9fff" else 1 for letter in text)


def tone(text: str, rate: int) -> bytes:
    """A full-scale tone of 440 Hz."""
    seconds = np.arange(len(text) * rate // 20) / rate
    return (np.sin(2 * np.pi * 440 * seconds) * 32767).astype("<i2").tobytes()

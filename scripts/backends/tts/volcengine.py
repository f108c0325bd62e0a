"""Doubao speech synthesis of Volcano Engine (ByteDance): stock voices, for the users' lines.

https://www.volcengine.com/docs/6561/1329505 (bidirectional websocket, V3), .../1257544 (voices),
.../2534853 (error codes); the package volcengine-audio (MIT) encodes and decodes messages. Billed
by characters; text goes to Volcano Engine, under its terms. Needs volcengine-audio, aiohttp and an
API key of the new console (not the app id and access token of the old one) in the environment.

The paper's users have the voice BV702_streaming of an older model, which this API does not offer;
the voices here are of the next model. It does not clone, so it cannot speak for a role.

Options: `model`, which the service calls a resource: seed-tts-2.0, or seed-tts-1.0 with voices of
that model; `address`; `key`, the name of the environment variable; `rate`, the sample rate; the
users' voices.
"""

from __future__ import annotations

import re
import struct
import uuid
from typing import Any

import numpy as np

from scripts.backends.tts import TtsBackend
from scripts.backends.tts._service import TtsService, pieces
from scripts.common.errors import UserError
from scripts.common.json_path import at, count, number
from scripts.common.json_path import text as words_at
from scripts.services import errors
from scripts.services.client import CallError, Client
from scripts.services.http_limits import TEXT, Meter

ENV = ("api", "core", "torch")
GPU = False

PATH = "/api/v3/tts/bidirection"
GOOD = 20_000_000
OFTEN = re.compile(r"quota exceeded for types: *\[?(concurrency|qps|qpm|rpm|tpm)", re.IGNORECASE)
BLOCKED = re.compile(r"audit|sensitive|risk|no readable text|illegal input text", re.IGNORECASE)
MISMATCH = re.compile(r"mismatched|access denied|permission denied|not granted", re.IGNORECASE)


def load(
    model: str = "seed-tts-2.0",
    address: str = "https://openspeech.bytedance.com",
    key: str = "VOLCENGINE_API_KEY",
    version: str | None = None,
    rate: int = 24_000,
    user_voice_english: str = "en_female_dacey_uranus_bigtts",
    user_voice_chinese: str = "zh_female_xiaohe_uranus_bigtts",
) -> TtsBackend:
    """Ask `model` at `address` with the key in the environment variable `key`."""
    import aiohttp  # noqa: F401  (reports a missing package before any call)
    import volcengine_audio  # noqa: F401

    client = Client("tts/volcengine", model, address, key, version)
    return Doubao(client, rate, {"English": user_voice_english, "Chinese": user_voice_chinese})


class Doubao(TtsService):
    """See the contract in scripts/backends/tts/__init__.py, and `TtsService`."""

    voice_mode = "fixed"

    def voice(self, clip: np.ndarray, text: str, language: str) -> dict[str, Any]:
        raise UserError(
            "tts/volcengine has stock voices only, no role's: use it as speak.user_tts, and "
            "another model as speak.tts or inside a cascade."
        )

    def parts(self, voice: str, language: str) -> dict[str, Any]:
        return {"voice": voice, "rate": self.rate}

    def session(self, voice: str) -> dict[str, Any]:
        """The parameters of a session."""
        from volcengine_audio import TTSAudioFormat, TTSReqParams

        params = TTSReqParams(
            speaker=voice,
            audio_params=TTSReqParams.AudioParams(format=TTSAudioFormat.pcm, sample_rate=self.rate),
            # All of the text is spoken, including what is in brackets, but no markup.
            additions=TTSReqParams.Additions(
                max_length_to_filter_parenthesis=0, disable_markdown_filter=True
            ),
        )
        return params.model_dump(mode="json", exclude_none=True)

    async def send(self, text: str, voice: str, language: str) -> tuple[bytes, float | None]:
        import aiohttp
        from volcengine_audio import EventReceive as Event
        from volcengine_audio import VolcengineTTSFunctions as Frames

        params, session = self.session(voice), uuid.uuid4().hex
        headers = {
            "X-Api-Key": self.client.secret,
            "X-Api-Resource-Id": self.client.model,
            "X-Api-Connect-Id": uuid.uuid4().hex,
            "X-Control-Require-Usage-Tokens-Return": "*",
        }
        watch = aiohttp.TraceConfig()
        watch.on_request_redirect.append(refuse)
        async with (
            aiohttp.ClientSession(trace_configs=[watch]) as web,
            web.ws_connect(
                f"{self.client.address}{PATH}", headers=headers, max_msg_size=TEXT
            ) as socket,
        ):
            await socket.send_bytes(Frames.start_connection_payload())
            meter = Meter(self.client.service)
            await until(socket, Event.ConnectionStarted, meter)
            await socket.send_bytes(Frames.start_session_payload(session, params, {"uid": "user"}))
            await until(socket, Event.SessionStarted, meter)
            for piece in pieces(text):
                await socket.send_bytes(
                    Frames.task_request_payload(session, piece, voice, params["audio_params"])
                )
            await socket.send_bytes(Frames.finish_session_payload(session))
            heard, end = await until(socket, Event.SessionFinished, meter)
            await socket.send_bytes(Frames.finish_connection_payload())
        status = at(end, "status_code")
        if status not in (None, GOOD):
            error = fault(count(end, "status_code"), words_at(end, "message"))
            raise error.charged() if heard else error
        return heard, number(end, "usage", "text_words")


async def refuse(session, context, params) -> None:
    """Redirects are not followed: the key is for this address only."""
    raise CallError("fatal", f"it sends us on to {params.response.headers.get('Location')}")


async def until(socket, wanted, meter: Meter) -> tuple[bytes, Any]:
    """Read messages until the wanted event; returns the speech up to it, and its payload."""
    from volcengine_audio import EventReceive as Event

    failed = (Event.ConnectionFailed, Event.SessionFailed, Event.SessionCanceled)
    heard: list[bytes] = []
    while True:
        try:
            event, payload = await received(socket)
        except CallError as error:
            if heard:
                error.charged()
            raise
        if event == Event.TTSResponse:
            heard.append(payload)
            meter.add(len(payload))
        elif event in failed:
            said = payload if isinstance(payload, dict) else {}
            words = said.get("message") or f"{payload}"
            failure = fault(count(said, "status_code"), f"{words}")
            raise failure.charged() if heard else failure
        elif event == wanted:
            return b"".join(heard), payload


async def received(socket) -> tuple[Any, Any]:
    """The event of a message and its payload: bytes of speech, or JSON."""
    import aiohttp
    from volcengine_audio import MessageType
    from volcengine_audio import VolcengineTTSFunctions as Frames

    message = await socket.receive()
    if message.type == aiohttp.WSMsgType.TEXT:
        raise fault(0, message.data)
    if message.type != aiohttp.WSMsgType.BINARY:
        raise CallError("transient", "the connection was closed before the speech was whole")
    try:
        event, words, payload = Frames.extract_response_payload(message.data)
    except (*errors.UNREADABLE, NotImplementedError, struct.error) as error:
        raise errors.unreadable(error) from error
    if message.data[1] >> 4 == MessageType.ERROR_INFORMATION.value:
        raise fault(int(event), words)  # here the event number is an error code
    return event, payload


def fault(code: int, words: str) -> CallError:
    """The CallError for an error code of the service (eight digits; 0: none)."""
    said = errors.short(f"{code}: {words}" if code else words)
    if OFTEN.search(words):
        return CallError("limited", said, raw=words, status=429)
    if BLOCKED.search(words):
        return CallError("refused", said, raw=words, status=400)
    if MISMATCH.search(words):
        return CallError("fatal", said, raw=words, status=403)
    if 40_000_000 <= code < 50_000_000 or "quota exceeded" in words.lower():
        return CallError("fatal", said, raw=words, status=400)
    return CallError("transient", said, raw=words)

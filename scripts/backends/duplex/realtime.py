"""Services with OpenAI's Realtime protocol, in full duplex: gpt-realtime, Qwen-Omni, PersonaPlex.

Protocol: https://platform.openai.com/docs/guides/realtime; terms of OpenAI's models:
https://openai.com/policies. Servers of one's own that speak it: vLLM-Omni, SGLang-Omni. Needs
openai, websockets, and a key in the environment (none for one's own server).

The user's side is sent in frames of 80 ms, 16 bit, paced by the wall clock; the service detects the
user's turns (`turn_detection`) and answers when it likes. What it sends is laid where a listener
would hear it (scripts/backends/duplex/_timeline.py). When it detects that the user talks, what has
not been heard is dropped, and the service is told how much was heard. A model that takes turns by
itself (`turn_detection: null`) is interrupted by its own decision only: when it cancels a reply.

The session's instructions are the role prompt. Replies are in one of the service's voices
(`voice`), without the role's sample. The service takes no seed: another seed is another try. A
server may put a role of its own in place of an empty one, as vLLM-Omni's PersonaPlex does, which
also decodes greedily.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import numpy as np

from scripts.backends.duplex import Call, DuplexBackend
from scripts.backends.duplex._live import LiveService, Received
from scripts.backends.duplex._session import Event, Session
from scripts.backends.duplex._timeline import Timeline
from scripts.common.json_path import at, count, loads, number, text
from scripts.services import errors
from scripts.services.client import CallError, Client
from scripts.services.openai_chat import connection
from scripts.services.openai_realtime import decoded, fault, spent

ENV = ("api", "core", "torch")
GPU = False
CHOICES = {"dialect": ("current", "beta", "vllm"), "words": ("spread", "paired")}

MOST = 4096  # tokens; OpenAI's service requires "inf" above this
AUDIO = ("response.output_audio.delta", "response.audio.delta")  # current and beta names
TEXT = ("response.output_audio_transcript.delta", "response.audio_transcript.delta")
PCM = ("", "pcm", "pcm16", "audio/pcm", "pcm_s16le", "s16le")
OUTPUT_RATE = 24_000  # Hz, of a service that does not say
TRUNCATE, CANCEL = "truncate", "cancel"  # events of ours that may come too late, which is no fault


def load(
    model: str = "gpt-realtime-1.5",
    address: str = "https://api.openai.com/v1",
    key: str = "OPENAI_API_KEY",
    version: str | None = None,
    voice: str | None = "marin",
    turn_detection: str | None = "server_vad",
    dialect: str = "current",
    words: str = "spread",
    input_rate: int = 24_000,
    max_tokens: int = 1024,
    pace: float = 1.0,
    stall: float = 30.0,
) -> DuplexBackend:
    """Talk to `model` at `address` with the key in the environment variable `key`, which speaks as
    `voice` (None: its own).

    `version` is the only one whose answers are accepted (None: any). `turn_detection`: the
    service's ("server_vad", "semantic_vad"), or None for a model that takes turns by itself.
    `dialect`: how the session is asked for, "beta" as before August 2025 (Qwen-Omni), or "vllm" for
    full-duplex models in vLLM-Omni (PersonaPlex). `words`: a reply's text is "spread" over its
    audio, or comes "paired" with it. `input_rate`: Hz of what is sent. If a reply is cut off at
    `max_tokens` of text and speech, the conversation is held again with more. `pace`: seconds of
    conversation in a second. `stall`: seconds after which a silent server is given up.
    """
    client = Client("duplex/realtime", model, address, key, version)
    made = Realtime(client, pace, stall, max_tokens)
    made.voice, made.turn_detection, made.dialect = voice, turn_detection, dialect
    made.paired, made.input_rate = words == "paired", input_rate
    return made


class Realtime(LiveService):
    """See the contract in scripts/backends/duplex/__init__.py."""

    voice: str | None
    turn_detection: str | None
    dialect: str

    def __init__(self, client: Client, pace: float, stall: float, max_tokens: int):
        super().__init__(client, pace, stall, max_tokens)
        self.openai = connection(client)

    def request(self, call: Call, tokens: int) -> Event:
        detection = None
        if self.turn_detection:
            detection = {"type": self.turn_detection, "create_response": True}
            detection["interrupt_response"] = True
        most = tokens if tokens <= MOST else "inf"
        voice = {"voice": self.voice} if self.voice else {}
        if self.dialect != "current":
            earlier: Event = {
                "modalities": ["text", "audio"],
                "instructions": call.role_prompt,
                "input_audio_format": "pcm16",
                "output_audio_format": "pcm16",
                "turn_detection": detection,
                "max_response_output_tokens": most,
                **voice,
            }
            return earlier if self.dialect == "beta" else earlier | self.in_vllm()
        heard = {"type": "audio/pcm", "rate": self.input_rate}
        spoken = {"type": "audio/pcm", "rate": OUTPUT_RATE}
        return {
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": call.role_prompt,
            "max_output_tokens": most,
            "audio": {
                "input": {"format": heard, "turn_detection": detection},
                "output": {"format": spoken, **voice},
            },
        }

    def in_vllm(self) -> Event:
        """What a session in vLLM-Omni has besides: PersonaPlex hears 32-bit floats alone. See its
        docs/serving/realtime_duplex_api.md."""
        rates = {"input": self.input_rate, "output": OUTPUT_RATE}
        return {
            "model": self.client.model,
            "input_audio_format": "pcm_f32le",
            "sample_rate_hz": self.input_rate,
            "audio": {side: {"sample_rate_hz": rate} for side, rate in rates.items()},
            "extra_body": {"auto_response": True},
        }

    def connect(self, session: Session) -> AbstractAsyncContextManager[Any]:
        return self.openai.realtime.connect(
            model=self.client.model,
            websocket_connection_options=self.options(),
            extra_query={"duplex": "1"} if self.dialect == "vllm" else {},
        )

    async def open(self, session: Session, connection: Any) -> None:
        async def send(event: Event, data: bytes = b"") -> None:
            session.recording.add(session.now, ">", event, data)
            if data and self.dialect == "vllm":
                data = (np.frombuffer(data, "<i2") / 32768).astype("<f4").tobytes()
            payload = {"audio": base64.b64encode(data).decode("ascii")} if data else {}
            await connection.send_raw(json.dumps(event | payload))

        session.send = send
        await send({"type": "session.update", "session": session.request})

    def frame(self, data: bytes) -> Event:
        return {"type": "input_audio_buffer.append"}

    async def receive(self, connection: Any) -> AsyncIterator[Received]:
        while True:
            said, data = await connection.recv_bytes(), b""
            try:
                event = loads(said.decode("utf-8", errors="replace"))
            except ValueError as error:
                words = f"a message that is no JSON: {errors.short(said[:1000])}"
                raise CallError("transient", words) from error
            if not isinstance(event, dict):
                event = {"odd": event}
            if text(event, "type") in AUDIO:
                data = decoded(text(event, "delta"))
                event.pop("delta", None)
            yield event, data, len(said)

    def hear(self, line: Timeline, t: float, event: Event, data: bytes) -> dict[str, float]:
        kind, group = text(event, "type"), group_of(event)
        if kind in AUDIO:
            must_be_pcm(event, "format")
            line.add(t, group, data, rate_of(event, "sample_rate_hz") or line.told or OUTPUT_RATE)
        elif kind in TEXT:
            line.say(group, text(event, "delta"))
        elif kind == "response.created" and group:
            line.begin(group)
        elif kind == "response.done":
            line.finish(group)
            if text(event, "response", "status") == "cancelled":
                return line.stop(t, group)
        elif kind == "input_audio_buffer.speech_started" and self.turn_detection:
            return line.stop(t)
        elif kind in ("session.created", "session.updated"):
            must_be_pcm(event, "session", "audio", "output", "format", "type")
            must_be_pcm(event, "session", "output_audio_format")
            line.told = rate_of(event, "session", "audio", "output", "format", "rate") or line.told
        return {}

    async def react(self, session: Session, event: Event, cut: dict[str, float]) -> None:
        kind, group = text(event, "type"), group_of(event)
        if kind in ("session.created", "session.updated"):
            session.version = text(event, "session", "model") or session.version
        if kind == "session.updated":
            session.ready.set()
        elif kind in AUDIO and text(event, "item_id"):
            session.items[group] = (text(event, "item_id"), count(event, "content_index"))
        elif kind == "error":
            error = at(event, "error")
            if text(error, "event_id") not in (TRUNCATE, CANCEL):
                raise fault(error if isinstance(error, dict) else {**event, "message": error})
        elif kind == "response.done":
            account(session, group, at(event, "response"))
        elif kind == "input_audio_buffer.speech_started":
            await self.truncate(session, cut)

    async def truncate(self, session: Session, cut: dict[str, float]) -> None:
        """Tell the service how much was heard of the replies that were cut off."""
        for group, seconds in cut.items():
            if group in session.items:
                item, place = session.items[group]
                event: Event = {"type": "conversation.item.truncate", "event_id": TRUNCATE}
                event |= {"item_id": item, "content_index": place}
                await session.send(event | {"audio_end_ms": int(seconds * 1000)}, b"")

    async def settle(self, session: Session) -> None:
        if session.line.open:
            await session.send({"type": "response.cancel", "event_id": CANCEL}, b"")
        while session.line.open:
            await asyncio.sleep(0.02)


def group_of(event: Event) -> str:
    """The reply that an event is about; empty if it does not say."""
    return text(event, "response_id") or text(event, "response", "id") or text(event, "item_id")


def rate_of(event: Event, *path: str) -> int | None:
    """The sample rate at a path of an event, if it is one."""
    rate = number(event, *path)
    return rate if rate is not None and 8_000 <= rate <= 96_000 else None


def must_be_pcm(event: Event, *path: str) -> None:
    """Raise CallError if an event says that audio comes in another format."""
    shape = text(event, *path)
    if shape not in PCM:
        raise CallError("unusable", f"it speaks in '{shape}', not in 16-bit PCM")


def account(session: Session, group: str, response: Any) -> None:
    """Book a reply's usage. Raises CallError if it was not whole, other than by interruption."""
    session.book(group, spent(response, session.share))
    status, why = text(response, "status"), text(response, "status_details", "reason")
    error = at(response, "status_details", "error")
    if status == "failed":
        raise fault(error) if error else CallError("transient", "a reply that failed")
    if status == "incomplete" and why == "max_output_tokens":
        raise CallError("cut", "a reply was cut at its limit of tokens")
    if status == "incomplete" and why == "content_filter":
        raise CallError("refused", "a reply was cut by a content filter")

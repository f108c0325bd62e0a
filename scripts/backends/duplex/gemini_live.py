"""Gemini's Live models, in full duplex: a service that is spoken to over a websocket.

Protocol: https://ai.google.dev/gemini-api/docs/live; terms: https://ai.google.dev/gemini-api/terms.
Needs google-genai, and a key in the environment.

The user's side is sent in frames of 80 ms, 16 kHz, 16 bit, paced by the wall clock; the service
detects the user's activity, answers when it likes, and says when it was interrupted: what has not
been heard by then is dropped. What it sends is laid where a listener would hear it
(scripts/backends/duplex/_timeline.py). Its transcripts are not numbered: what comes after an
interruption belongs to the reply that was interrupted, until that turn is complete or the audio of
another one comes.

The system instruction is the role prompt. Replies are in one of the service's voices (`voice`),
without the role's sample. The service takes no seed, and does not report which version answered.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

from scripts.backends.duplex import Call, DuplexBackend
from scripts.backends.duplex._live import LiveService, Received
from scripts.backends.duplex._session import Event, Session
from scripts.backends.duplex._timeline import Timeline
from scripts.common.json_path import at, text
from scripts.services import errors
from scripts.services.client import CallError, Client
from scripts.services.gemini_live import REFUSED, ended, spent

ENV = ("api", "core", "torch")
GPU = False

MIME = re.compile(r"audio/(?:pcm|l16)\b(?:.*\brate=(\d+))?", re.IGNORECASE)
OUTPUT_RATE = 24_000  # Hz, of audio that does not say


def load(
    model: str = "gemini-3.1-flash-live-preview",
    address: str = "https://generativelanguage.googleapis.com",
    key: str = "GEMINI_API_KEY",
    version: str | None = None,
    voice: str = "Kore",
    max_tokens: int = 1024,
    pace: float = 1.0,
    stall: float = 30.0,
) -> DuplexBackend:
    """Talk to `model` at `address` with the key in the environment variable `key`, which speaks as
    `voice`.

    `version` must be None or `model`, since the service reports none. `max_tokens` of text and
    speech (about 25 per second) limit a reply. `pace`: seconds of conversation in a second.
    `stall`: seconds after which a silent server is given up.
    """
    client = Client("duplex/gemini_live", model, address, key, version)
    return GeminiLive(client, voice, pace, stall, max_tokens)


class GeminiLive(LiveService):
    """See the contract in scripts/backends/duplex/__init__.py."""

    input_rate = 16_000

    def __init__(self, client: Client, voice: str, pace: float, stall: float, max_tokens: int):
        from google import genai

        super().__init__(client, pace, stall, max_tokens)
        self.voice = voice
        self.genai = genai.Client(
            vertexai=False,
            api_key=client.secret or "none",
            http_options={
                "base_url": client.address,
                "api_version": "v1beta",
                "async_client_args": self.options(),
            },
        )

    def request(self, call: Call, tokens: int) -> Event:
        voice = {"prebuilt_voice_config": {"voice_name": self.voice}}
        return {
            "response_modalities": ["AUDIO"],
            "system_instruction": call.role_prompt or None,
            "max_output_tokens": tokens,
            "speech_config": {"voice_config": voice},
            "output_audio_transcription": {},
            "realtime_input_config": {"activity_handling": "START_OF_ACTIVITY_INTERRUPTS"},
        }

    @contextlib.asynccontextmanager
    async def connect(self, session: Session) -> AsyncIterator[Any]:
        from google.genai.errors import APIError

        try:
            async with self.genai.aio.live.connect(
                model=self.client.model, config=session.request
            ) as connection:
                yield connection
        except APIError as error:
            raise ended(error) from error

    async def open(self, session: Session, connection: Any) -> None:
        kind = f"audio/pcm;rate={self.input_rate}"

        async def send(event: Event, data: bytes) -> None:
            session.recording.add(session.now, ">", event, data)
            await connection.send_realtime_input(audio={"data": data, "mime_type": kind})

        session.send = send
        session.recording.add(0.0, ">", {"setup": session.request})
        session.ready.set()

    def frame(self, data: bytes) -> Event:
        return {"realtime_input": "audio"}

    async def receive(self, connection: Any) -> AsyncIterator[Received]:
        from google.genai.errors import APIError

        while True:
            try:
                async for message in connection.receive():  # until a turn is complete
                    yield plain(message)
            except APIError as error:
                raise ended(error) from error
            except errors.UNREADABLE as error:
                raise errors.unreadable(error) from error

    def hear(self, line: Timeline, t: float, event: Event, data: bytes) -> dict[str, float]:
        content = at(event, "server_content")
        said = text(content, "output_transcription", "text")
        if line.over and (data or (said and line.over == "complete")):
            line.turn, line.over = line.turn + 1, ""
        group = f"{line.turn}"
        if data:
            line.add(t, group, data, rate_of(text(event, "mime_type")))
        if said:
            line.say(group, said)
        if at(content, "interrupted") is True:
            line.finish(group)
            line.over = "interrupted"
            return line.stop(t)
        if at(content, "generation_complete") is True:
            line.finish(group)
        if at(content, "turn_complete") is True:
            line.finish(group)
            line.over = "complete"
        return {}

    async def react(self, session: Session, event: Event, cut: dict[str, float]) -> None:
        usage = at(event, "usage_metadata")
        if usage:
            session.book(f"{session.line.turn}", spent(usage, session.share))
        reason = text(event, "server_content", "turn_complete_reason")
        if any(word in reason for word in REFUSED):
            raise CallError("refused", reason)


def plain(message: Any) -> Received:
    """A message as JSON, with the type of its audio in place of it; its audio; its size."""
    content, parts = message.server_content, []
    if content and content.model_turn:
        blobs = [part.inline_data for part in content.model_turn.parts or []]
        parts = [blob for blob in blobs if blob and blob.data]
    hidden = {"server_content": {"model_turn"}}
    event = message.model_dump(mode="json", exclude_none=True, exclude=hidden)
    kinds = {blob.mime_type or "audio/pcm" for blob in parts}
    if len(kinds) > 1:
        raise CallError("unusable", f"it speaks in {' and '.join(sorted(kinds))} at once")
    if kinds:
        event["mime_type"] = kinds.pop()
    data = b"".join(blob.data for blob in parts)
    return event, data, len(data) + len(str(event))


def rate_of(kind: str) -> int:
    """The sample rate of a type of audio; CallError if it is not 16-bit PCM."""
    found = MIME.match(kind)
    if not found:
        raise CallError("unusable", f"it speaks in '{kind}', not in 16-bit PCM")
    return int(found[1] or OUTPUT_RATE)

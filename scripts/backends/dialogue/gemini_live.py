"""Gemini's Live models: a service that hears and answers in speech over a websocket.

Not in the paper. Protocol: https://ai.google.dev/gemini-api/docs/live; terms:
https://ai.google.dev/gemini-api/terms. Needs google-genai, and a key in the environment.

Each turn has its own session. The history is sent first as text, with the service's own transcripts
of the user's turns; then the user's speech is sent in one go (16 kHz, 16 bit) with its start and
end marked, without voice activity detection. The system instruction describes the role and how to
answer. Audio comes back at 24 kHz, 16 bit.

Replies are in one of the service's voices (`voice`), without the reference clip, and sampled at its
default temperature. `latency` of an answer is the time from marking the end of the speech to having
the whole reply. The service does not report which version answered.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from scripts.backends.dialogue import DialogueBackend, Request
from scripts.backends.dialogue.openai_audio import SessionService, instruction
from scripts.common import audio
from scripts.common.json_path import mended
from scripts.services import errors
from scripts.services.client import CallError, Client, Response
from scripts.services.gemini_live import REFUSED, ended, spent
from scripts.services.http_limits import Meter
from scripts.services.openai_chat import straight

ENV = ("api", "core", "torch")
GPU = False

CHUNK = 32_000  # bytes of speech per message
UNHEARD = "..."  # in place of a user's turn without a transcript


def load(
    model: str = "gemini-3.1-flash-live-preview",
    address: str = "https://generativelanguage.googleapis.com",
    key: str = "GEMINI_API_KEY",
    version: str | None = None,
    voice: str = "Kore",
    max_tokens: int = 2048,
) -> DialogueBackend:
    """Ask `model` at `address` with the key in the environment variable `key`, to speak as `voice`.

    `version` must be None or `model`, since the service reports none. A reply that reaches
    `max_tokens` of text and speech (about 25 per second) is requested again with more.
    """
    client = Client("dialogue/gemini_live", model, address, key, version)
    return GeminiLive(client, voice, max_tokens)


class GeminiLive(SessionService):
    """See the contract in scripts/backends/dialogue/__init__.py."""

    def __init__(self, client: Client, voice: str, max_tokens: int):
        from google import genai

        super().__init__(client, voice, max_tokens)
        self.genai = genai.Client(
            vertexai=False,
            api_key=client.secret or "none",
            http_options={
                "base_url": client.address,
                "api_version": "v1beta",
                "async_client_args": straight(client),
            },
        )

    async def converse(self, request: Request, tokens: int, most: dict[str, float]) -> Response:
        from google.genai.errors import APIError

        try:
            async with self.genai.aio.live.connect(
                model=self.client.model, config=self.setup(request, tokens)
            ) as session:
                return await talk(session, request, tokens, most, self.client.service)
        except APIError as error:
            raise ended(error) from error

    def setup(self, request: Request, tokens: int) -> dict[str, Any]:
        """The first message of a session."""
        voice = {"prebuilt_voice_config": {"voice_name": self.voice}}
        return {
            "response_modalities": ["AUDIO"],
            "system_instruction": instruction(request),
            "max_output_tokens": tokens,
            "speech_config": {"voice_config": voice},
            "input_audio_transcription": {},
            "output_audio_transcription": {},
            "realtime_input_config": {"automatic_activity_detection": {"disabled": True}},
            "history_config": {"initial_history_in_client_content": bool(request.history)},
        }


async def talk(
    session: Any, request: Request, tokens: int, most: dict[str, float], service: str
) -> Response:
    """The reply of one session."""
    history = []
    for _, answer in request.history:
        for role, text in (("user", answer.heard or UNHEARD), ("model", answer.text or "")):
            history.append({"role": role, "parts": [{"text": text}]})
    if history:
        await session.send_client_content(turns=history, turn_complete=True)
    await session.send_realtime_input(activity_start={})
    sound, kind = audio.pcm(request.user), f"audio/pcm;rate={audio.RATE}"
    for first in range(0, len(sound), CHUNK):
        piece = sound[first : first + CHUNK]
        await session.send_realtime_input(audio={"data": piece, "mime_type": kind})
    begun = time.perf_counter()
    pieces: list[bytes] = []
    words: list[str] = []
    heard: list[str] = []
    await session.send_realtime_input(activity_end={})
    used, reason, meter = dict(most), "", Meter(service)
    async for message in received(session, pieces, words, heard):
        if message.usage_metadata:
            used = spent(message.usage_metadata.model_dump(mode="json"), most)
        content = message.server_content
        for part in (content.model_turn.parts or []) if content and content.model_turn else []:
            if part.inline_data and part.inline_data.data:
                pieces.append(part.inline_data.data)
                meter.add(len(pieces[-1]))
        if content and content.output_transcription:
            words.append(content.output_transcription.text or "")
            meter.add(len(words[-1]))
        if content and content.input_transcription:
            heard.append(content.input_transcription.text or "")
            meter.add(len(heard[-1]))
        if content and content.turn_complete_reason:
            reason = content.turn_complete_reason.name
    seconds, text = time.perf_counter() - begun, mended("".join(words)).strip()
    if any(word in reason for word in REFUSED):
        raise CallError("refused", reason, raw=text, used=used)
    if used.get("output token", 0) + used.get("output audio token", 0) >= tokens and used != most:
        raise CallError("cut", "cut at its limit of tokens", raw=text, used=used)
    if not b"".join(pieces):
        why = f"the reply's audio is empty {reason}".strip()
        raise CallError("unusable", why, raw=text, used=used)
    value = {"text": text, "heard": "".join(heard).strip() or None, "seconds": seconds}
    return Response(value, used, "", b"".join(pieces))


async def received(session: Any, *begun: list) -> AsyncIterator[Any]:
    """The service's messages until the turn is complete. `begun`: what has been received; if any, a
    session that ends early may be charged."""
    from google.genai.errors import APIError

    try:
        async for message in session.receive():
            yield message
    except APIError as error:
        raise ended(error).charged() if any(begun) else ended(error) from error
    except errors.UNREADABLE as error:
        raise errors.unreadable(error) from error

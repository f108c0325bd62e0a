"""OpenAI's Realtime models: a service that hears and answers in speech over a websocket.

Not in the paper. Protocol: https://platform.openai.com/docs/guides/realtime; terms:
https://openai.com/policies. Needs openai, websockets, and a key in the environment.

Each turn is a session of its own, in which what was said before is put down first: the user's turns
as audio, the model's as text (the service takes no audio as its own). Then comes the user's speech
as one item, without voice activity detection, and one reply is asked for. Audio is 24 kHz, 16 bit
both ways. The session's instructions say who the role is and how to answer.

It speaks in a `voice` of the service's: the reference clip is not used. Replies are drawn at the
service's own temperature. `latency` of an answer is the time from asking for the reply, when the
session has heard all, to having it whole. The model does not say what it heard.
"""

from __future__ import annotations

import base64
import time
from typing import Any

import numpy as np

from scripts.backends.dialogue import DialogueBackend, Request
from scripts.backends.dialogue.openai_audio import RATE, SpeechService, instruction
from scripts.common import audio
from scripts.common.json_path import at, loads, mended, number, text
from scripts.services import errors
from scripts.services.client import CallError, Client, Response
from scripts.services.errors import Kind
from scripts.services.http_limits import Meter
from scripts.services.openai_chat import connection, straight
from scripts.services.prices import tokens as units_of

ENV = ("api", "core", "torch")
GPU = False

MOST = 4096  # tokens; above it the service wants to hear "inf"


def load(
    model: str = "gpt-realtime-1.5",
    address: str = "https://api.openai.com/v1",
    key: str = "OPENAI_API_KEY",
    version: str | None = None,
    voice: str = "marin",
    max_tokens: int = 2048,
) -> DialogueBackend:
    """Ask `model` at `address` with the key in the environment variable `key`, to speak as `voice`.

    `version` is the only one whose answers count (None: any); a reply that is cut at `max_tokens`
    of text and speech (about 20 a second) is asked for again with more.
    """
    client = Client("dialogue/openai_realtime", model, address, key, version)
    return OpenAIRealtime(client, voice, max_tokens)


class OpenAIRealtime(SpeechService):
    """See the contract in scripts/backends/dialogue/__init__.py."""

    def __init__(self, client: Client, voice: str, max_tokens: int):
        super().__init__(client, voice, max_tokens)
        self.openai = connection(client)

    async def converse(self, request: Request, tokens: int, most: dict[str, float]) -> Response:
        async with self.openai.realtime.connect(
            model=self.client.model, websocket_connection_options=straight(self.client)
        ) as talk:
            return await self.talk(talk, request, tokens, most)

    async def talk(
        self, talk: Any, request: Request, tokens: int, most: dict[str, float]
    ) -> Response:
        """The reply of one session."""
        shape = {"type": "audio/pcm", "rate": RATE}
        await talk.session.update(
            session={
                "type": "realtime",
                "output_modalities": ["audio"],
                "instructions": instruction(request),
                "max_output_tokens": tokens if tokens <= MOST else "inf",
                "audio": {
                    "input": {"format": shape, "turn_detection": None},
                    "output": {"format": shape, "voice": self.voice},
                },
            }
        )
        for user, answer in request.history:
            await talk.conversation.item.create(item=heard(user))
            said = [{"type": "output_text", "text": answer.text or ""}]
            item = {"type": "message", "role": "assistant", "content": said}
            await talk.conversation.item.create(item=item)
        await talk.conversation.item.create(item=heard(request.user))
        begun, version, pieces, words = time.perf_counter(), "", [], []
        meter = Meter(self.client.service)
        await talk.response.create()
        while True:
            said = await talk.recv_bytes()
            meter.add(len(said))
            event = loads(said.decode("utf-8", errors="replace"))
            kind = text(event, "type")
            if kind == "session.created":
                version = text(event, "session", "model")
            elif kind == "response.output_audio.delta":
                pieces.append(decoded(text(event, "delta")))
            elif kind == "response.output_audio_transcript.delta":
                words.append(text(event, "delta"))
            elif kind == "error":
                error = fault(at(event, "error"))
                raise error.charged() if pieces or words else error
            elif kind == "response.done":
                break
        seconds = time.perf_counter() - begun
        response, said = at(event, "response"), mended("".join(words))
        sound = b"".join(pieces)
        used = spent(response, most)
        check(response, said, used)
        if not sound:
            raise CallError("unusable", "the reply's audio is empty", raw=said, used=used)
        return Response({"text": said, "seconds": seconds}, used, version, sound)


def heard(sound: np.ndarray) -> dict[str, Any]:
    """The user's utterance as an item of a conversation."""
    data = audio.pcm(audio.resample(sound, audio.RATE, RATE))
    part = {"type": "input_audio", "audio": base64.b64encode(data).decode("ascii")}
    return {"type": "message", "role": "user", "content": [part]}


def decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except ValueError as error:
        raise CallError("transient", f"a piece of audio cannot be read ({error})") from error


def check(response: Any, said: str, used: dict[str, float]) -> None:
    """Raise the CallError of a response that is not complete."""
    status = at(response, "status")
    reason = at(response, "status_details", "reason")
    error = at(response, "status_details", "error")
    if status == "incomplete":
        kinds: dict[str, Kind] = {"max_output_tokens": "cut", "content_filter": "refused"}
        kind = kinds.get(f"{reason}", "transient")
        raise CallError(kind, f"an incomplete reply ({reason})", raw=said, used=used)
    if status == "failed" and error:
        raise fault(error, used)
    if status != "completed":
        raise CallError("transient", f"a reply that is '{status}'", raw=said, used=used)


def fault(error: Any, used: dict[str, float] | None = None) -> CallError:
    """The CallError of an error that the service reports in a session."""
    kind = text(error, "type")
    said = f"{text(error, 'code') or kind}: {text(error, 'message')}"
    words = errors.short(said)
    if errors.REFUSED.search(said):
        return CallError("refused", words, used=used)
    if errors.USED_UP.search(said):
        return CallError("fatal", words, used=used, status=429)
    if "rate_limit" in said:
        return CallError("limited", words, used=used)
    wrong = kind in ("invalid_request_error", "authentication_error", "permission_error")
    return CallError("fatal" if wrong else "transient", words, used=used)


def spent(response: Any, most: dict[str, float]) -> dict[str, float]:
    """The units of config/prices.tsv that a response used; as in `most` what it does not say."""
    usage = at(response, "usage")
    listened = number(usage, "input_token_details", "audio_tokens")
    spoken = number(usage, "output_token_details", "audio_tokens")
    read, written = number(usage, "input_tokens"), number(usage, "output_tokens")
    return units_of(most, read, listened, written, spoken, number(usage, "total_tokens"))

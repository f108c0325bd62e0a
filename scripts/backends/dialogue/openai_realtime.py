"""OpenAI's Realtime models: a service that hears and answers in speech over a websocket.

Not in the paper. Protocol: https://platform.openai.com/docs/guides/realtime; terms:
https://openai.com/policies. Needs openai, websockets, and a key in the environment.

Each turn has its own session. The history is sent first: the user's turns as audio, the model's as
text (the service takes no audio for them). Then the user's speech is sent as one item, without
voice activity detection, and one reply is requested. Audio is 24 kHz, 16 bit both ways. The
session's instructions describe the role and how to answer.

Replies are in one of the service's voices (`voice`), without the reference clip, and sampled at its
default temperature. `latency` of an answer is the time from requesting the reply, once all audio is
sent, to having it whole. The model does not report what it heard.
"""

from __future__ import annotations

import base64
import time
from typing import Any

import numpy as np

from scripts.backends.dialogue import DialogueBackend, Request
from scripts.backends.dialogue.openai_audio import RATE, SessionService, instruction
from scripts.common import audio
from scripts.common.json_path import at, loads, mended, text
from scripts.services.client import CallError, Client, Response
from scripts.services.errors import Kind
from scripts.services.http_limits import Meter
from scripts.services.openai_chat import connection, straight
from scripts.services.openai_realtime import decoded, fault, spent

ENV = ("api", "core", "torch")
GPU = False

MOST = 4096  # tokens; the service requires "inf" above this


def load(
    model: str = "gpt-realtime-1.5",
    address: str = "https://api.openai.com/v1",
    key: str = "OPENAI_API_KEY",
    version: str | None = None,
    voice: str = "marin",
    max_tokens: int = 2048,
) -> DialogueBackend:
    """Ask `model` at `address` with the key in the environment variable `key`, to speak as `voice`.

    `version` is the only one whose answers are accepted (None: any); a reply cut off at
    `max_tokens` of text and speech (about 20 per second) is requested again with more.
    """
    client = Client("dialogue/openai_realtime", model, address, key, version)
    return OpenAIRealtime(client, voice, max_tokens)


class OpenAIRealtime(SessionService):
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
    """The user's utterance as a conversation item."""
    data = audio.pcm(audio.resample(sound, audio.RATE, RATE))
    part = {"type": "input_audio", "audio": base64.b64encode(data).decode("ascii")}
    return {"type": "message", "role": "user", "content": [part]}


def check(response: Any, said: str, used: dict[str, float]) -> None:
    """Raise CallError if a response is not complete."""
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

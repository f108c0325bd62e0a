"""GPT-4o Audio and its successors: a service that hears speech and answers in speech.

Paper, section 5.1. Its gpt-4o-audio-preview was shut down on 2026-05-07; gpt-audio-1.5 is OpenAI's
successor. Protocol: chat completions with audio, https://platform.openai.com/docs/guides/audio;
terms: https://openai.com/policies. Needs openai, soundfile, and a key in the environment.

The system message describes the role and how to answer. The user's turns are sent as WAV (16 kHz,
16 bit). The model's own turns are sent as the ids that the service gave them, so that it knows how
it spoke; ids expire after about an hour, and after that (a run resumed the next day) the transcript
is sent as text. The answer records which it was (`earlier`); this is not part of the cache key.

Replies are in one of the service's voices (`voice`), without the reference clip, and sampled at its
default temperature. `latency` of an answer is the time from sending the request to having the whole
reply. The model does not report what it heard.
"""

from __future__ import annotations

import base64
import io
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from scripts.backends.dialogue import Answer, DialogueBackend, Request
from scripts.common import audio
from scripts.common.audio import Sound
from scripts.common.json_path import at, count, text
from scripts.services.client import Call, CallError, Client, Response, Result
from scripts.services.errors import short
from scripts.services.openai_chat import complete, connection, message_of, most_tokens, spent
from scripts.services.prices import widened

ENV = ("api", "core", "torch")
GPU = False

RATE = 24_000
AGE = 60  # seconds before expiry at which an id is no longer used
HEARD = 30  # the most tokens per second of speech


def load(
    model: str = "gpt-audio-1.5",
    address: str = "https://api.openai.com/v1",
    key: str = "OPENAI_API_KEY",
    version: str | None = None,
    voice: str = "alloy",
    max_tokens: int = 2048,
) -> DialogueBackend:
    """Ask `model` at `address` with the key in the environment variable `key`, to speak as `voice`.

    `version` is the only one whose answers are accepted (None: any); a reply cut off at
    `max_tokens` of text and speech (about 20 per second) is requested again with more.
    """
    client = Client("dialogue/openai_audio", model, address, key, version)
    return OpenAIAudio(client, voice, max_tokens)


class SpeechService(ABC):
    """Base class of services that hear and speak, for the contract in
    scripts/backends/dialogue/__init__.py. A backend makes requests in `call` and turns results into
    answers in `answer`."""

    voice_mode = "own"
    rate = RATE
    languages = ("English", "Chinese")

    def __init__(self, client: Client, voice: str, max_tokens: int):
        self.client, self.voice, self.max_tokens = client, voice, max_tokens

    def reply(self, requests: list[Request]) -> list[Answer]:
        """Answer each request; see the contract. No call is made if the user's audio is empty."""
        silent = Answer(None, None, None, 0.0, "the user's audio is empty")
        calls = [self.call(request) for request in requests if len(request.user)]
        results = iter(self.client.ask(calls, f"replies of {self.client.model}"))
        answers = [
            self.finished(next(results)) if len(request.user) else silent for request in requests
        ]
        return [replace(answer, asked=self.client.model) for answer in answers]

    @abstractmethod
    def call(self, request: Request) -> Call:
        """The call that requests a reply."""

    def finished(self, result: Result) -> Answer:
        """The Answer of a call; if it failed, `text` is what was received without speech."""
        if result.value is not None:
            return self.answer(result)
        reason = result.reason or "no answer"
        return Answer(None, result.raw, None, result.seconds, reason, version=result.version)

    def answer(self, result: Result) -> Answer:
        """The Answer of a call whose audio is stored as 16-bit PCM at `rate`."""
        blob = result.blob or b""
        whole = blob[: len(blob) // 2 * 2]
        sound = np.frombuffer(whole, "<i2").astype(np.float32) / 32768
        said, heard, seconds = (result.value.get(name) for name in ("text", "heard", "seconds"))
        return Answer(sound, said or None, heard, seconds, version=result.version)


class SessionService(SpeechService):
    """A service that is asked in sessions of their own, one for each reply."""

    def call(self, request: Request) -> Call:
        """The call that requests a reply in its own session."""
        parts = {**turns(request), "voice": self.voice, "max_output_tokens": self.max_tokens}
        most = most_of(request, self.max_tokens)

        async def send(cuts: int) -> Response:
            return await self.converse(request, self.max_tokens * 2**cuts, widened(most, cuts))

        return Call(parts, send, most)

    @abstractmethod
    async def converse(self, request: Request, tokens: int, most: dict[str, float]) -> Response:
        """The reply, of at most `tokens`; usage that is not reported is as in `most`."""


class OpenAIAudio(SpeechService):
    """See the contract in scripts/backends/dialogue/__init__.py."""

    def __init__(self, client: Client, voice: str, max_tokens: int):
        super().__init__(client, voice, max_tokens)
        self.openai = connection(client)

    def answer(self, result: Result) -> Answer:
        sound = decoded(result.blob or b"", self.rate)
        handle = {name: result.value[name] for name in ("id", "expires_at")}
        said, version = result.value["text"], result.version
        return Answer(sound, said, None, result.seconds, version=version, handle=handle)

    def call(self, request: Request) -> Call:
        shape = {
            "modalities": ["text", "audio"],
            "audio": {"voice": self.voice, "format": "wav"},
        }
        parts = {**shape, **turns(request), "max_completion_tokens": self.max_tokens}
        most = most_of(request, self.max_tokens)

        async def send(cuts: int) -> Response:
            ids = [usable(answer) for _, answer in request.history]
            reply = await self.create(request, ids, shape, self.max_tokens * 2**cuts)
            used = spent(reply, widened(most, cuts))
            message = message_of(reply, used)
            said, written = at(message, "audio"), text(message, "content")
            if said is None:
                words = f"an answer without speech: {short(written)}"
                raise CallError("unusable", words, raw=written, used=used)
            value: dict[str, Any] = {"text": text(said, "transcript"), "id": text(said, "id")}
            value["expires_at"] = count(said, "expires_at")
            value["earlier"] = ["audio" if known else "text" for known in ids]
            blob = checked(text(said, "data"), value["text"], used)
            return Response(value, used, text(reply, "model"), blob)

        return Call(parts, send, most)

    async def create(self, request: Request, ids: list, shape: dict[str, Any], tokens: int) -> Any:
        """The service's reply. If it refuses the request, an id may be unknown to it: all of `ids`
        are set to None, and it is asked once more with texts in their place."""
        import openai

        while True:
            try:
                return await complete(
                    self.openai,
                    model=self.client.model,
                    messages=messages(request, ids),
                    max_completion_tokens=tokens,
                    **shape,
                )
            except (openai.BadRequestError, openai.NotFoundError):
                if not any(ids):
                    raise
                ids[:] = [None] * len(ids)


def instruction(request: Request) -> str:
    return "\n\n".join(part for part in (request.role_prompt, request.manner) if part)


def turns(request: Request) -> dict[str, Any]:
    """What identifies a request: its texts and digests of its audio."""
    history = [
        {
            "user": Sound(user).sha256(),
            "heard": answer.heard,
            "reply": Sound(sound_of(answer)).sha256(),
            "text": answer.text,
        }
        for user, answer in request.history
    ]
    return {
        "system": instruction(request),
        "history": history,
        "user": Sound(request.user).sha256(),
    }


def most_of(request: Request, max_tokens: int) -> dict[str, float]:
    """Upper bound on a request's usage; all of `max_tokens` may be speech, the dearer kind."""
    sounds = [request.user, *(user for user, _ in request.history)]
    seconds = sum(len(sound) for sound in sounds) / audio.RATE
    seconds += sum(len(sound_of(answer)) / RATE for _, answer in request.history)
    said = [answer.text or "" for _, answer in request.history]
    return {
        "input token": most_tokens([instruction(request), *said]),
        "input audio token": HEARD * (seconds + 1),
        "output token": max_tokens,
        "output audio token": max_tokens,
    }


def usable(answer: Answer) -> str | None:
    """The id of a reply that the service still knows, or None."""
    handle = answer.handle or {}
    return handle.get("id") if (handle.get("expires_at") or 0) > time.time() + AGE else None


def sound_of(answer: Answer) -> np.ndarray:
    """The speech of an earlier answer; a dialogue ends at the first without any."""
    assert answer.audio is not None
    return answer.audio


def messages(request: Request, ids: Iterable[str | None]) -> list[dict[str, Any]]:
    """The request as chat messages."""
    found: list[dict[str, Any]] = [{"role": "system", "content": instruction(request)}]
    for (user, answer), known in zip(request.history, ids, strict=True):
        said: dict[str, Any] = {"audio": {"id": known}} if known else {"content": answer.text or ""}
        found += [spoken(user), {"role": "assistant", **said}]
    return [*found, spoken(request.user)]


def spoken(sound: np.ndarray) -> dict[str, Any]:
    """A user's utterance as a chat message."""
    data = base64.b64encode(Sound(sound).wav()).decode("ascii")
    part = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    return {"role": "user", "content": [part]}


def checked(data: str, said: str, used: dict[str, float]) -> bytes:
    """The audio file of a reply; CallError if it holds no audio."""
    import soundfile

    try:
        blob = base64.b64decode(data, validate=True)
        frames = np.size(soundfile.read(io.BytesIO(blob))[0])
    except (ValueError, soundfile.LibsndfileError) as error:
        words = f"the reply's audio cannot be read ({error})"
        raise CallError("unusable", words, raw=said, used=used) from error
    if not frames:
        raise CallError("unusable", "the reply's audio is empty", raw=said, used=used)
    return blob


def decoded(blob: bytes, rate: int) -> np.ndarray:
    """The audio of a file, (n,) float32 at `rate`."""
    import soundfile

    samples, native = soundfile.read(io.BytesIO(blob), dtype="float32", always_2d=True)
    return audio.normalise(audio.resample(samples.mean(axis=1), native, rate), 1.0)

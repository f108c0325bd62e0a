"""Speech synthesis by a service: each line is one call, and no line is paid for twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from scripts.backends.tts import Unvoiced
from scripts.common.audio import decoded, encoded
from scripts.services.client import Call, CallError, Client, Response
from scripts.services.prices import used_or_reserved
from scripts.services.stop_messages import is_refusal

PIECE = 900  # characters per message

Line = tuple[str, dict[str, Any], str]  # text, voice, language


class TtsService(ABC):
    """Base class of services, for the contract in scripts/backends/tts/__init__.py.

    A backend defines what a line's request depends on (`parts`) and makes it (`send`). A voice is
    {"voice": its name at the service}, or {"voice": None, "reason": why the service has none}.
    """

    def __init__(self, client: Client, rate: int, users: dict[str, str]):
        self.client, self.rate, self.users = client, rate, users
        self.silent: dict[tuple, str] = {}  # lines that the service did not speak, with reasons

    def fixed_voice(self, language: str) -> dict[str, str]:
        """The stock voice of all users of `language`."""
        return {"voice": self.users[language]}

    def speak(self, lines: list[Line]) -> list[np.ndarray]:
        """(text, voice, language) -> (n,) float32 at `rate`; see the contract.

        Raises ValueError for a failed line, Unvoiced for a refused one, only after all lines have
        been requested, so that the others are in the store and no line is requested twice.
        """
        keys = [(text, voice["voice"], language) for text, voice, language in lines]
        wrong = [
            unsayable(*line[:2]) or self.silent.get(key)
            for line, key in zip(lines, keys, strict=True)
        ]
        asked = [key for key, reason in zip(keys, wrong, strict=True) if reason is None]
        results = self.client.ask([self.call(*key) for key in asked], "lines spoken")
        for key, result in zip(asked, results, strict=True):
            if result.blob is None:
                self.silent[key] = f"{result.reason}"
        wrong = [reason or self.silent.get(key) for reason, key in zip(wrong, keys, strict=True)]
        for reason, (_, voice, _) in zip(wrong, lines, strict=True):
            if reason is not None:
                refused = voice["voice"] is None or is_refusal(reason)
                raise Unvoiced(reason) if refused else ValueError(reason)
        return [decoded(result.blob or b"") for result in results]

    def call(self, text: str, voice: str, language: str) -> Call:
        async def send(_: int) -> Response:
            sound, told = await self.send(text, voice, language)
            used = used_or_reserved({"character": told}, most)
            if not len(sound):
                raise CallError("unusable", "it spoke, and nothing is to be heard")
            if len(sound) % 2:
                raise CallError("transient", "its speech ends in the middle of a sample")
            value = {"seconds": len(sound) / 2 / self.rate, "characters": used["character"]}
            return Response(value, used, blob=encoded(np.frombuffer(sound, "<i2"), self.rate))

        most = {"character": self.characters(text)}
        parts = {"text": text, **self.parts(voice, language)}
        return Call(parts, send, most)

    def characters(self, text: str) -> int:
        """The characters that the service bills for a text, if it does not report them."""
        return len(text)

    @abstractmethod
    def parts(self, voice: str, language: str) -> dict[str, Any]:
        """Everything besides the model that determines how a text sounds."""

    @abstractmethod
    async def send(self, text: str, voice: str, language: str) -> tuple[bytes, float | None]:
        """The speech, 16-bit little-endian PCM at `rate`, and the number of billed characters, if
        the service reports it."""


def unsayable(text: str, voice: dict[str, Any]) -> str | None:
    """Why a line cannot be spoken, or None."""
    if voice["voice"] is None:
        return f"there is no voice: {voice['reason']}"
    if not any(letter.isalnum() for letter in text):
        return f"there is nothing to say in {text!r}"
    return None


def pieces(text: str, longest: int = PIECE) -> list[str]:
    """A text in pieces that a service accepts, split between words if possible; joined, they give
    the text."""
    found = []
    while len(text) > longest:
        cut = max(text.rfind(sign, 0, longest) for sign in " \n。！？，；、") + 1
        cut = cut or longest
        found.append(text[:cut])
        text = text[cut:]
    return [*found, text]

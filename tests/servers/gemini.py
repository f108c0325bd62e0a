"""A stand-in for Gemini's generateContent on 127.0.0.1, for tests of the judge.

`Gemini(answer, steps)` speaks POST /{version}/models/{model}:generateContent as described at
https://ai.google.dev/api/generate-content. `answer(asked)` gets an `Asked` and returns the text of
the reply, a whole reply (dict) or a `Step` of tests/servers/scripted.py; `steps` does so for the
first requests. Usage is counted as by the service: 32 tokens per second of audio.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import soundfile

from tests.servers.scripted import Request, Scripted, Step

SAFE = str.maketrans("+/", "-_")  # the service takes both alphabets of base64
PATH = re.compile(r"/v1(?:beta)?/models/([^/:]+):generateContent")


@dataclass(frozen=True)
class Asked:
    """A judge's request: the system prompt, texts (str) and WAV files (bytes) in order."""

    json: dict
    headers: dict[str, str]
    system: str
    parts: list[str | bytes]

    @property
    def wavs(self) -> list[bytes]:
        return [part for part in self.parts if isinstance(part, bytes)]

    @property
    def seconds(self) -> float:
        return sum(soundfile.info(io.BytesIO(wav)).duration for wav in self.wavs)


class Gemini(Scripted):
    def __init__(
        self,
        answer: Callable[[Asked], Any] = lambda asked: "A is livelier.\n[Scores]: (8, 6)",
        steps: Iterable[Any] = (),
        version: str | None = None,
        thoughts: int = 50,
        port: int = 0,
    ):
        self.say, self.version, self.thoughts = answer, version, thoughts
        self.asked: list[Asked] = []
        self.scripted = list(steps)
        super().__init__(answer=self.respond, port=port)

    def respond(self, request: Request) -> Any:
        path = PATH.fullmatch(request.path)
        if not path:
            return Step(404, body=failure(404, "NOT_FOUND", f"no method {request.path}"))
        asked = read(request)
        with self.lock:
            self.asked.append(asked)
            step = self.scripted.pop(0) if self.scripted else None
        said = self.say(asked) if step is None else step
        return self.reply(asked, path[1], said) if isinstance(said, str) else said

    def reply(self, asked: Asked, model: str, text: str, why: str = "STOP") -> dict:
        heard = round(32 * asked.seconds)
        read = sum(len(part) for part in asked.parts if isinstance(part, str)) // 4
        details = [{"modality": "TEXT", "tokenCount": read}]
        details += [{"modality": "AUDIO", "tokenCount": heard}] if heard else []
        return {
            "candidates": [
                {
                    "content": {"parts": [{"text": text}], "role": "model"},
                    "finishReason": why,
                    "index": 0,
                }
            ],
            "usageMetadata": {
                "promptTokenCount": read + heard,
                "candidatesTokenCount": len(text) // 4,
                "totalTokenCount": read + heard + len(text) // 4 + self.thoughts,
                "promptTokensDetails": details,
                "thoughtsTokenCount": self.thoughts,
            },
            "modelVersion": self.version or model,
            "responseId": "r",
        }


def read(request: Request) -> Asked:
    body = request.json
    (content,) = body["contents"]
    parts = [
        part["text"]
        if "text" in part
        else base64.urlsafe_b64decode(
            part["inlineData"]["data"].replace("+", "-").replace("/", "_")
        )
        for part in content["parts"]
    ]
    system = "".join(part["text"] for part in body["systemInstruction"]["parts"])
    return Asked(body, request.headers, system, parts)


def failure(code: int, status: str, words: str) -> dict:
    return {"error": {"code": code, "message": words, "status": status}}

"""A stand-in for a chat model with audio input on 127.0.0.1, for tests of the judge.

`Chat(answer, steps)` speaks POST /v1/chat/completions with input_audio parts as described at
https://developers.openai.com/api/reference/resources/chat, with bare base64. `answer` and `steps`
are as in tests/servers/gemini.py. Usage: 10 tokens per second of audio.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any

from tests.servers.gemini import Asked
from tests.servers.scripted import Request, Scripted, Step


class Chat(Scripted):
    def __init__(
        self,
        answer: Callable[[Asked], Any] = lambda asked: "A is livelier.\n[Scores]: (8, 6)",
        steps: Iterable[Any] = (),
        version: str | None = None,
        port: int = 0,
    ):
        self.say, self.version = answer, version
        self.asked: list[Asked] = []
        self.scripted = list(steps)
        super().__init__(answer=self.respond, port=port)
        self.address += "/v1"

    def respond(self, request: Request) -> Any:
        if request.path != "/v1/chat/completions":
            return Step(404, body=failure("not_found", f"no method {request.path}"))
        try:
            asked = read(request)
        except (KeyError, ValueError) as error:
            return Step(400, body=failure("invalid_request_error", repr(error)))
        with self.lock:
            self.asked.append(asked)
            step = self.scripted.pop(0) if self.scripted else None
        said = self.say(asked) if step is None else step
        return self.reply(asked, said) if isinstance(said, str) else said

    def reply(self, asked: Asked, text: str | None, why: str = "stop", **message: Any) -> dict:
        heard = round(10 * asked.seconds)
        read = sum(len(part) for part in asked.parts if isinstance(part, str)) // 4
        out = len(text or "") // 4
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": self.version or asked.json["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, "refusal": None, **message},
                    "finish_reason": why,
                    "logprobs": None,
                }
            ],
            "usage": {
                "prompt_tokens": read + heard,
                "completion_tokens": out,
                "total_tokens": read + heard + out,
                "prompt_tokens_details": {"audio_tokens": heard, "cached_tokens": 0},
                "completion_tokens_details": {"audio_tokens": 0, "reasoning_tokens": 0},
            },
        }


def read(request: Request) -> Asked:
    body = request.json
    system, user = body["messages"]
    if (system["role"], user["role"]) != ("system", "user"):
        raise ValueError("a system's and a user's message")
    parts: list[str | bytes] = []
    for part in user["content"]:
        if part["type"] == "text":
            parts.append(part["text"])
        elif part["input_audio"]["format"] == "wav":
            parts.append(base64.b64decode(part["input_audio"]["data"], validate=True))
    return Asked(body, request.headers, system["content"], parts)


def failure(kind: str, words: str) -> dict:
    return {"error": {"message": words, "type": kind, "param": None, "code": None}}

"""A chat model with audio input listens to both sides: OpenAI's, or any with the same protocol.

Source: https://developers.openai.com/api/docs/guides/audio (chat completions with input_audio),
through openai (Apache-2.0), which makes the requests. Terms: https://openai.com/policies. Needs
openai, aiohttp and a key in OPENAI_API_KEY, or your own server: `vllm serve` with Qwen2.5-Omni, for
example, at `address` http://127.0.0.1:8000/v1, which needs no key.

Prompts and parsing: scripts/backends/judge/_protocol.py; the tested system's texts are not sent,
only speech is judged.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scripts.backends.judge import JudgeBackend, _protocol
from scripts.backends.judge._bodies import recorded
from scripts.backends.judge._listening import Listening
from scripts.common.json_path import text
from scripts.services.client import CallError, Client
from scripts.services.openai_chat import message_of, spent

if TYPE_CHECKING:
    import httpx

ENV = ("api", "core", "torch")
GPU = False
CHOICES = {"protocol": ("per_metric", "joint"), "order": ("paper", "both", "random")}


def load(
    model: str = "gpt-audio-1.5",
    address: str = "https://api.openai.com/v1",
    key: str = "OPENAI_API_KEY",
    version: str | None = None,
    protocol: str = "per_metric",
    order: str = "both",
    samples: int = 1,
    temperature: float | None = None,
    longest: float | None = None,
    max_tokens: int = 1024,
    prompt_per_metric: str = "config/prompts/judge_per_metric.md",
    prompt_joint: str = "config/prompts/judge_joint.md",
) -> JudgeBackend:
    """Ask the service's `model` with the key in the environment variable `key`.

    `version`: the model that answers must name. `protocol`: per_metric or joint (one call for all
    metrics); `order`: paper (the tested system is A), both or random; `samples`: repetitions.
    `temperature`: None for the service's default. `longest`: seconds after which each audio part is
    cut, None: never.
    """
    prompts = {_protocol.PER_METRIC: prompt_per_metric, _protocol.JOINT: prompt_joint}
    return Listening(
        Client("judge/openai_audio_judge", model, address, key, version),
        Chat(model, address, temperature),
        _protocol.load(protocol, prompts),
        order=order,
        samples=samples,
        longest=longest,
        tokens=max_tokens,
    )


class Chat:
    """See Service in scripts/backends/judge/_listening.py."""

    # A token is 100 ms of user audio for OpenAI (developers.openai.com/api/docs/guides/
    # realtime-costs), 40 ms for Qwen2.5-Omni (arXiv 2503.20215).
    rate = 25.0

    def __init__(self, model: str, address: str, temperature: float | None):
        self.model, self.address = model, address.rstrip("/")
        self.temperature = None if temperature is None else float(temperature)
        self.parameters = {"temperature": self.temperature}

    def request(self, system: str, parts: Sequence[str | bytes], tokens: int) -> httpx.Request:
        import openai
        from openai.types import chat

        def make(part: str | bytes) -> chat.ChatCompletionContentPartParam:
            if isinstance(part, str):
                return chat.ChatCompletionContentPartTextParam(type="text", text=part)
            return chat.ChatCompletionContentPartInputAudioParam(
                type="input_audio",
                input_audio={"data": self.encode(part).decode(), "format": "wav"},
            )

        messages = [
            chat.ChatCompletionSystemMessageParam(role="system", content=system),
            chat.ChatCompletionUserMessageParam(
                role="user", content=[make(part) for part in parts]
            ),
        ]

        def ask(client: httpx.Client) -> None:
            service = openai.OpenAI(
                api_key="none", base_url=self.address, max_retries=0, http_client=client
            )
            service.chat.completions.create(
                model=self.model,
                messages=messages,
                # All compatible servers know it; only some know the newer max_completion_tokens.
                max_tokens=tokens,
                temperature=openai.omit if self.temperature is None else self.temperature,
            )

        return recorded(ask)

    def encode(self, wav: bytes) -> bytes:
        return base64.b64encode(wav)

    def headers(self, secret: str) -> dict[str, str]:
        key = {"Authorization": f"Bearer {secret}"} if secret else {}
        return {"Content-Type": "application/json"} | key

    def read(
        self, reply: Mapping[str, Any], most: Mapping[str, float]
    ) -> tuple[str, dict[str, float], str]:
        used = spent(reply, most)
        said = text(message_of(reply, used), "content")
        if not said.strip():
            raise CallError("transient", "a reply without text", used=used)
        return said, used, text(reply, "model")

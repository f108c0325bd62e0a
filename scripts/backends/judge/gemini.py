"""Gemini listens to both sides and scores them (paper, section 4.2 and Figure 10).

Source: https://ai.google.dev/api/generate-content, through google-genai (Apache-2.0), whose types
make the requests; audio is sent inline (https://ai.google.dev/gemini-api/docs/audio: 32 tokens per
second). Terms: https://ai.google.dev/gemini-api/terms. Needs a key in GEMINI_API_KEY and
google-genai, aiohttp.

The paper's judge is gemini-2.5-pro. Its thinking is billed as output and counts towards
`max_tokens`, which has room for it. Prompts and parsing: scripts/backends/judge/_protocol.py; the
tested system's texts are not sent, only speech is judged.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scripts.backends.judge import JudgeBackend, _protocol
from scripts.backends.judge._bodies import recorded
from scripts.backends.judge._listening import Listening
from scripts.common.json_path import at, number
from scripts.services import prices
from scripts.services.client import CallError, Client

if TYPE_CHECKING:
    import httpx

ENV = ("api", "core", "torch")
GPU = False
CHOICES = {"protocol": ("per_metric", "joint"), "order": ("paper", "both", "random")}

# The limit of a reply, thoughts included. All metrics in one reply take 1,000 to 2,000 tokens, and
# gemini-2.5-pro thinks as long as it wants, at most 32,768 tokens of the 65,536 that it can write
# (https://ai.google.dev/gemini-api/docs/thinking); a reply that is cut off gets twice the room,
# twice at most.
TOKENS = {"per_metric": 4096, "joint": 16_384}
# Finish reasons (google.genai.types.FinishReason) that mean a refusal.
REFUSALS = (
    *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"),
    *("ESCALATION", "MODEL_ARMOR"),
)


def load(
    model: str = "gemini-2.5-pro",
    address: str = "https://generativelanguage.googleapis.com",
    key: str = "GEMINI_API_KEY",
    version: str | None = None,
    protocol: str = "per_metric",
    order: str = "both",
    samples: int = 1,
    temperature: float | None = None,
    longest: float | None = None,
    max_tokens: int | None = None,
    thinking: int | None = None,
    prompt_per_metric: str = "config/prompts/judge_per_metric.md",
    prompt_joint: str = "config/prompts/judge_joint.md",
) -> JudgeBackend:
    """Ask the service's `model` with the key in the environment variable `key`.

    `version`: the modelVersion that answers must have. `protocol`: per_metric or joint (one call
    for all metrics); `order`: paper (the tested system is A), both or random; `samples`:
    repetitions. `temperature` and `thinking` (the token budget): None for the service's defaults.
    `longest`: seconds after which each audio part is cut, None: never. `max_tokens`: of a reply and
    its thoughts, None: `TOKENS` of the protocol.
    """
    prompts = {_protocol.PER_METRIC: prompt_per_metric, _protocol.JOINT: prompt_joint}
    return Listening(
        Client("judge/gemini", model, address, key, version),
        Gemini(model, address, temperature, thinking),
        _protocol.load(protocol, prompts),
        order=order,
        samples=samples,
        longest=longest,
        tokens=TOKENS[protocol] if max_tokens is None else max_tokens,
    )


class Gemini:
    """See Service in scripts/backends/judge/_listening.py."""

    rate = 32.0

    def __init__(self, model: str, address: str, temperature: float | None, thinking: int | None):
        self.model, self.address = model, address.rstrip("/")
        self.temperature = None if temperature is None else float(temperature)
        self.thinking = thinking
        self.parameters = {"temperature": self.temperature, "thinking": thinking}

    def request(self, system: str, parts: Sequence[str | bytes], tokens: int) -> httpx.Request:
        from google import genai
        from google.genai import types

        def make(part: str | bytes) -> types.Part:
            if isinstance(part, str):
                return types.Part.from_text(text=part)
            return types.Part.from_bytes(data=part, mime_type="audio/wav")

        thinking = None
        if self.thinking is not None:
            thinking = types.ThinkingConfig(thinking_budget=self.thinking)
        config = types.GenerateContentConfig(
            system_instruction=system,
            temperature=self.temperature,
            max_output_tokens=tokens,
            thinking_config=thinking,
        )
        content = types.Content(role="user", parts=[make(part) for part in parts])

        def ask(client: httpx.Client) -> None:
            options = types.HttpOptions(base_url=self.address, httpx_client=client)
            service = genai.Client(vertexai=False, api_key="none", http_options=options)
            service.models.generate_content(model=self.model, contents=[content], config=config)

        return recorded(ask)

    def encode(self, wav: bytes) -> bytes:
        return base64.urlsafe_b64encode(wav)  # as the SDK does; the service takes both alphabets

    def headers(self, secret: str) -> dict[str, str]:
        return {"Content-Type": "application/json"} | ({"x-goog-api-key": secret} if secret else {})

    def read(
        self, reply: Mapping[str, Any], most: Mapping[str, float]
    ) -> tuple[str, dict[str, float], str]:
        spent = spent_by(at(reply, "usageMetadata"), most)
        blocked = at(reply, "promptFeedback", "blockReason")
        if blocked:
            raise CallError("refused", f"the prompt was blocked ({blocked})", used=spent)
        why = at(reply, "candidates", 0, "finishReason")
        parts = at(reply, "candidates", 0, "content", "parts")
        parts = parts if isinstance(parts, list) else []
        said = [at(part, "text") for part in parts if not at(part, "thought")]
        text = "".join(part for part in said if isinstance(part, str))
        if why == "MAX_TOKENS":
            raise CallError("cut", "the reply ended at its limit of tokens", raw=text, used=spent)
        if why in REFUSALS:
            raise CallError("refused", f"it stopped because of {why}", raw=text, used=spent)
        if why != "STOP" or not text.strip():
            raise CallError(
                "transient", f"no whole reply (it ended with {why})", raw=text, used=spent
            )
        return text, spent, str(at(reply, "modelVersion") or "")


def spent_by(usage: Any, most: Mapping[str, float]) -> dict[str, float]:
    """The usage in `usageMetadata`; counts not reported are as in `most`. Thoughts are output; the
    JSON omits counts of 0."""
    read = number(usage, "promptTokenCount")
    heard = prices.audio_among(at(usage, "promptTokensDetails"), "tokenCount", read)
    written = number(usage, "candidatesTokenCount")
    thought = 0 if at(usage, "thoughtsTokenCount") is None else number(usage, "thoughtsTokenCount")
    whole = None if written is None or thought is None else written + thought
    return prices.tokens(most, read, heard, whole, total=number(usage, "totalTokenCount"))

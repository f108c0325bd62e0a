"""Shared by backends of services with OpenAI's chat completions API or a websocket session.

Protocol: https://platform.openai.com/docs/api-reference/chat. Replies are read as JSON of any
shape, not as the SDK's types: services under load send odd replies, and those should be retried,
not stop a run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from scripts.common.json_path import at, loads, number, text
from scripts.services import errors, http_limits
from scripts.services.client import CallError, Client
from scripts.services.prices import tokens

PATIENCE = 3600  # seconds; client.py gives up sooner
CLOSING = 2.0  # seconds for a websocket's closing handshake, beyond the call's own timeout
HAN = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")


def connection(client: Client) -> Any:
    """The SDK's client for a service, without retries and redirects, without a proxy for servers of
    ours, and without the settings of an OpenAI account in the environment (organisation, project,
    custom headers), which are for OpenAI only."""
    import openai

    http = openai.DefaultAsyncHttpxClient(
        timeout=PATIENCE,
        follow_redirects=False,
        trust_env=client.paid,
        headers={"Accept-Encoding": "gzip, deflate"},
        event_hooks={"response": [http_limits.limited(client.service)]},
    )
    service = openai.AsyncOpenAI(
        base_url=client.address,
        api_key=client.secret or "none",
        max_retries=0,
        timeout=PATIENCE,
        http_client=http,
    )
    if urlsplit(client.address).hostname != "api.openai.com":
        service.organization = service.project = None
        service._custom_headers = {}
    return service


async def complete(service: Any, **request: Any) -> Any:
    """The reply to a chat completion request, as JSON."""
    reply = await service.chat.completions.with_raw_response.create(**request)
    return loads(reply.text)


def message_of(reply: Any, used: Mapping[str, float]) -> dict[str, Any]:
    """The message of a complete reply; CallError if there is none or it was truncated or
    refused."""
    message, why = at(reply, "choices", 0, "message"), at(reply, "choices", 0, "finish_reason")
    if not isinstance(message, dict):
        said = at(reply, "error") or at(reply, "choices", 0, "error") or reply
        words = errors.short(said if isinstance(said, str) else json.dumps(said))
        raise CallError("transient", f"a reply without a message: {words}", used=used)
    content, refusal = text(message, "content"), text(message, "refusal")
    if why == "length":
        raise CallError("cut", "cut at its limit of tokens", raw=content, used=used)
    if why == "content_filter" or refusal:
        words = errors.short(refusal or "content filter")
        raise CallError("refused", words, raw=refusal or content, used=used)
    if why != "stop":  # e.g. "error" of OpenRouter, whose text is incomplete
        said = text(reply, "choices", 0, "error", "message")
        words = f"no whole reply, it ended with '{why}' {errors.short(said)}".strip()
        raise CallError("transient", words, raw=content, used=used)
    return message


def spent(reply: Any, most: Mapping[str, float]) -> dict[str, float]:
    """The usage of a reply in units of config/prices.tsv, cached tokens included; what the reply
    does not state is taken from `most`, the most that it can have used."""
    usage = at(reply, "usage")
    heard = number(usage, "prompt_tokens_details", "audio_tokens")
    spoken = number(usage, "completion_tokens_details", "audio_tokens")
    read, written = number(usage, "prompt_tokens"), number(usage, "completion_tokens")
    return tokens(most, read, heard, written, spoken, number(usage, "total_tokens"))


def most_of(text: str) -> int:
    """The most tokens that a text can have, at 3 letters or one Chinese character a token."""
    wide = len(HAN.findall(text))
    return wide + -(-(len(text) - wide) // 3)


def most_tokens(texts: Sequence[str]) -> int:
    """The most tokens that messages can have."""
    return most_of("".join(texts)) + 10 * len(texts) + 10


def straight(client: Client) -> dict[str, Any]:
    """Options for a connection of the library websockets to the client's address only: no
    redirects, which would leak the key, no proxy for servers of ours, and a limit on the message
    size. A refused handshake raises CallError."""
    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import InvalidStatus

    class Straight(ClientConnection):
        async def handshake(self, *options, **more) -> None:
            try:
                await super().handshake(*options, **more)
            except InvalidStatus as error:
                response = error.response
                if 300 <= response.status_code < 400:
                    place = response.headers.get("Location", "nowhere")
                    raise CallError(
                        "fatal", f"it sends us on to {place}, which nobody allowed"
                    ) from error
                said = (response.body or b"").decode("utf-8", errors="replace")
                raise errors.by_status(response.status_code, response.headers, said) from error

    proxy = {} if client.paid else {"proxy": None}
    own = {"create_connection": Straight, "max_size": http_limits.TEXT, "close_timeout": CLOSING}
    return own | proxy

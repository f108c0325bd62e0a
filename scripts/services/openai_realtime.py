"""Shared by backends of services with OpenAI's Realtime protocol: audio, errors and usage.

Protocol: https://platform.openai.com/docs/api-reference/realtime-server-events.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from scripts.common.json_path import at, number, text
from scripts.services import errors
from scripts.services.errors import CallError
from scripts.services.prices import tokens


def decoded(data: str) -> bytes:
    """A piece of audio in base64; CallError if it is none."""
    try:
        return base64.b64decode(data, validate=True)
    except ValueError as error:
        raise CallError("transient", f"a piece of audio cannot be read ({error})") from error


def fault(error: Any, used: dict[str, float] | None = None) -> CallError:
    """The CallError for an error reported in a session."""
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


def spent(response: Any, most: Mapping[str, float]) -> dict[str, float]:
    """The units of config/prices.tsv that a response used; counts not reported are as in `most`."""
    usage = at(response, "usage")
    listened = number(usage, "input_token_details", "audio_tokens")
    spoken = number(usage, "output_token_details", "audio_tokens")
    read, written = number(usage, "input_tokens"), number(usage, "output_tokens")
    return tokens(most, read, listened, written, spoken, number(usage, "total_tokens"))

"""Shared by backends of Gemini's Live service: how sessions end, and usage.

Protocol: https://ai.google.dev/api/live.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.common.json_path import at, number
from scripts.services import errors
from scripts.services.errors import CallError
from scripts.services.prices import audio_among, tokens

REFUSED = ("PROHIBITED", "SAFETY", "BLOCKLIST", "REJECTED", "INPUT_OTHER", "CELEBRITY")
WRONG = (1002, 1003, 1007, 1008)  # websocket close codes for a faulty request


def ended(error: Any) -> CallError:
    """The CallError for a session that the service closed, by its websocket close code (RFC 6455)
    or HTTP status."""
    said = f"{error.code}: {error.details}"
    words = errors.short(said)
    if 300 <= (error.code or 0) < 600:
        return errors.by_status(error.code, {}, str(error.details))
    if errors.REFUSED.search(said):
        return CallError("refused", words)
    if errors.USED_UP.search(said):
        return CallError("fatal", words, status=429)
    if "quota" in said.lower() or "RESOURCE_EXHAUSTED" in said:
        return CallError("limited", words)
    return CallError("fatal" if error.code in WRONG else "transient", words)


def spent(usage: Any, most: Mapping[str, float]) -> dict[str, float]:
    """The units of config/prices.tsv that a turn used, by a message's usage as JSON; counts that
    are not reported are as in `most`. Thoughts count as text."""
    read, answered = number(usage, "prompt_token_count"), number(usage, "response_token_count")
    thoughts = at(usage, "thoughts_token_count")
    thought = number(thoughts) if thoughts else 0
    written = None if answered is None or thought is None else answered + thought
    heard = audio_among(at(usage, "prompt_tokens_details"), "token_count", read)
    spoken = audio_among(at(usage, "response_tokens_details"), "token_count", answered)
    return tokens(most, read, heard, written, spoken, number(usage, "total_token_count"))

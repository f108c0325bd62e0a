"""Errors of calls to services, by kind, which decides what happens next.

    limited    rate limit (HTTP 429): wait as long as the service asks, lower the concurrency
    transient  a fault of the server or the network: retry, a limited number of times
    cut        the answer was truncated at the token limit: retry with a higher limit
    refused    the service will not answer this: retry a few times, then there is no answer
    unusable   a complete answer with nothing usable in it: as refused
    fatal      the key, the account or the request is wrong: no call can succeed, the job stops

SDKs are not imported here: their exceptions are classified by status, headers and body.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from scripts.common.json_path import mended
from scripts.services.keys import cleaned

Kind = Literal["limited", "transient", "cut", "refused", "unusable", "fatal"]
LONGEST_WAIT = 604_800.0  # seconds, a week: a longer wait than that is not a valid one
LONGEST = 2000  # characters of an error's text
SHOWN = 400  # characters of a service's words in a message

# Words in codes, types and messages that mean that waiting will not help.
USED_UP = re.compile(
    r"insufficient_quota|insufficient_balance|insufficient balance|PerDay|billing_hard_limit"
    r"|billing_not_active|credit balance|Arrearage|AllocationQuota\.FreeTierOnly|QuotaExceeded",
    re.IGNORECASE,
)
# ... that the content was refused.
REFUSED = re.compile(
    r"content_filter|content_policy|DataInspection|inappropriate content|PROHIBITED_CONTENT"
    r"|SENSITIVE_CONTENT|safety_violation",
    re.IGNORECASE,
)
BROKEN = (  # modules whose exceptions mean a failed connection
    *("aiohttp.", "httpx", "httpcore", "websockets.", "websocket.", "requests.", "urllib3."),
    *("anyio.",),
)
# Exceptions whose status is not HTTP's: aiohttp sets 400 for responses that it cannot parse.
STATELESS = ("websockets.", "aiohttp.client_exceptions.ClientResponseError")
# What SDKs raise for a message that they cannot parse.
UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, RecursionError)
NETWORK = ("APIConnectionError", "APITimeoutError", "APIResponseValidationError")


class CallError(Exception):
    """A call without an answer.

    `wait`: seconds that the service asks to wait; `raw`: the unusable answer; `used`: units of
    config/prices.tsv that were spent all the same.
    """

    def __init__(
        self,
        kind: Kind,
        words: str,
        wait: float | None = None,
        raw: str | None = None,
        used: Mapping[str, float] | None = None,
        status: int | None = None,
    ):
        words = cleaned(mended(words))[:LONGEST]  # both are printed and stored
        super().__init__(words)
        self.kind, self.words, self.wait, self.raw = kind, words, wait, cleaned(mended(raw))
        self.used, self.status = dict(used or {}), status

    def charged(self) -> CallError:
        """This error, after the service had begun to answer, so that it may be charged."""
        self.status = None
        return self


def unreadable(error: Exception) -> CallError:
    """The error for a message that an SDK could not parse, from its exception."""
    said = short(f"a message of no known shape: {type(error).__name__}: {error}")
    return CallError("transient", said)


def of(error: BaseException) -> CallError | None:
    """The CallError for an exception; None if the exception is a bug of ours."""
    if isinstance(error, CallError):
        return error
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return CallError("transient", "no answer in time")
    kind = f"{type(error).__module__}.{type(error).__name__}"
    status = None if kind.startswith(STATELESS) else _status(error)
    if status is not None:
        return by_status(status, _headers(error), _said(error))
    if isinstance(error, ConnectionError | EOFError | json.JSONDecodeError) or (
        type(error).__module__.startswith(BROKEN) or type(error).__name__ in NETWORK
    ):
        return CallError("transient", f"{type(error).__name__}: {error}".strip(": "))
    return None


def by_status(status: int, headers: Mapping[str, str], said: str) -> CallError:
    """The error for an HTTP status, headers and body."""
    words = f"HTTP {status}: {short(said)}" if said.strip() else f"HTTP {status}"
    if REFUSED.search(said) and status < 500:
        return CallError("refused", words, raw=said, status=status)
    if status == 429 and not USED_UP.search(said):
        wait = retry_after(headers)
        return CallError(
            "limited", words, wait=_delay(said) if wait is None else wait, status=status
        )
    if status in (408, 409, 425) or status >= 500:
        return CallError("transient", words, wait=retry_after(headers), status=status)
    return CallError("fatal", words, status=status)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that the headers ask to wait (RFC 9110: seconds or a date), None if absent.

    A negative or past value is 0, an unparsable one counts as absent. A date is compared with the
    service's own clock (`Date`), if it sends one.
    """
    low = {str(key).lower(): str(value).strip() for key, value in headers.items()}
    now = now or _date(low.get("date", "")) or datetime.now(UTC)
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        if name in low:
            found = _seconds(low[name], now)
            if found is not None:
                return min(max(found * (unit if _is_number(low[name]) else 1), 0.0), LONGEST_WAIT)
    return None


def short(text: str) -> str:
    """A text on one line, at most SHOWN characters of it."""
    line = " ".join(cleaned(mended(str(text))).split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]} ..."


def _seconds(text: str, now: datetime) -> float | None:
    if _is_number(text):
        return float(text)
    date = _date(text)
    return None if date is None else (date - now).total_seconds()


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _delay(said: str) -> float | None:
    """The wait in the body of Google's services (google.rpc.RetryInfo: "34s")."""
    found = re.search(r"retryDelay['\"]?\s*:\s*['\"](\d+(?:\.\d+)?)s", said)
    return min(float(found[1]), LONGEST_WAIT) if found else None


def _status(error: Any) -> int | None:
    """The HTTP status of an SDK's exception."""
    for name in ("status_code", "status", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int) and not isinstance(value, bool) and 300 <= value < 600:
            return value
    return None


def _headers(error: Any) -> Mapping[str, str]:
    response = getattr(error, "response", None)
    return getattr(response, "headers", None) or getattr(error, "headers", None) or {}


def _said(error: Any) -> str:
    for name in ("body", "details"):
        value = getattr(error, name, None)
        if value:
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return str(error)

"""What can go wrong with a call to a service, sorted by what is to be done about it.

    limited    asked too often (HTTP 429): wait as long as the service says, ask fewer at once
    transient  a server's or the network's fault: ask again, at most so often
    cut        the answer ended at its limit of tokens: ask again with a higher one
    refused    the service will not answer this: ask again a few times, then there is no answer
    unusable   a whole answer that says nothing that can be used: as refused
    fatal      the key, the account or the request is wrong: no call would fare better, so all stop

SDKs are not imported here: their exceptions are told by the status, headers and body they carry.
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
LONGEST_WAIT = 604_800.0  # seconds, a week; what a service asks for above that is no time
LONGEST = 2000  # characters of all the words of a fault
SHOWN = 400  # characters of what a service says, in a message

# Words by which services say that waiting will not help (in codes, types and messages).
USED_UP = re.compile(
    r"insufficient_quota|insufficient_balance|insufficient balance|PerDay|billing_hard_limit"
    r"|billing_not_active|credit balance|Arrearage|AllocationQuota\.FreeTierOnly|QuotaExceeded",
    re.IGNORECASE,
)
# ... that they will not say or hear something.
REFUSED = re.compile(
    r"content_filter|content_policy|DataInspection|inappropriate content|PROHIBITED_CONTENT"
    r"|SENSITIVE_CONTENT|safety_violation",
    re.IGNORECASE,
)
BROKEN = (  # modules whose exceptions mean that the connection failed
    *("aiohttp.", "httpx", "httpcore", "websockets.", "websocket.", "requests.", "urllib3."),
    *("anyio.",),
)
# Exceptions whose status or code is none of HTTP's: aiohttp says 400 of what it cannot read itself.
STATELESS = ("websockets.", "aiohttp.client_exceptions.ClientResponseError")
# What SDKs raise for a message that they cannot read.
UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, RecursionError)
NETWORK = ("APIConnectionError", "APITimeoutError", "APIResponseValidationError")


class CallError(Exception):
    """A call that brought no answer.

    `wait`: seconds that the service asks to wait; `raw`: the answer that could not be used; `used`:
    units of config/prices.tsv that were spent all the same.
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
        """This fault, of a service that had begun to answer: what it did may well be charged."""
        self.status = None
        return self


def unreadable(error: Exception) -> CallError:
    """The fault of a message that an SDK could not read, by what it raised."""
    said = short(f"a message of no known shape: {type(error).__name__}: {error}")
    return CallError("transient", said)


def of(error: BaseException) -> CallError | None:
    """The fault that an exception stands for; None for one that is a mistake of this program."""
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
    """The fault of an HTTP status, its headers and what its body says."""
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
    """Seconds that the headers ask to wait (RFC 9110: seconds or a date), None if they do not say.

    What is negative or past is 0; what cannot be read counts as not said. A date is compared with
    the service's own (`Date`), where it sends one: clocks differ.
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
    """At most so much of what was said, on one line."""
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
    """Google's services say in the body how long to wait (google.rpc.RetryInfo: "34s")."""
    found = re.search(r"retryDelay['\"]?\s*:\s*['\"](\d+(?:\.\d+)?)s", said)
    return min(float(found[1]), LONGEST_WAIT) if found else None


def _status(error: Any) -> int | None:
    """The HTTP status that an SDK's exception carries."""
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

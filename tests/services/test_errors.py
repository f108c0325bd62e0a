"""Faults of services are classified by how to respond to them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.services import errors
from scripts.services.errors import LONGEST_WAIT, CallError, by_status, of, retry_after

POST = httpx.Request("POST", "https://api.example.com")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "value, seconds",
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        (format_datetime(NOW + timedelta(seconds=20), usegmt=True), 20.0),
        (format_datetime(NOW - timedelta(seconds=20), usegmt=True), 0.0),
        ("Thu, 01 Jan 2026 00:00:30", 30.0),  # a date without a zone is taken as UTC
        ("999999", LONGEST_WAIT),
        ("soon", None),
        ("nan", None),
        ("", None),
    ],
)
def test_a_wait_is_read_in_every_form(value, seconds):
    assert retry_after({"Retry-After": value}, NOW) == seconds


def test_milliseconds_come_first_and_no_header_is_no_wait():
    assert retry_after({"retry-after-ms": "250", "Retry-After": "9"}) == 0.25
    assert retry_after({"retry-after-ms": "some", "Retry-After": "9"}) == 9
    assert retry_after({}) is None


def test_a_date_is_compared_with_the_services_own_clock():
    there = NOW + timedelta(days=1)
    headers = {"Date": format_datetime(there), "Retry-After": "Fri, 02 Jan 2026 00:00:20 GMT"}
    assert retry_after(headers) == 20.0
    assert retry_after({**headers, "Date": "noon"}, NOW) == 86_420.0


@given(st.text())
def test_no_header_breaks_it(value):
    found = retry_after({"Retry-After": value}, NOW)
    assert found is None or 0 <= found <= LONGEST_WAIT


@pytest.mark.parametrize(
    "status, said, kind",
    [
        (429, "slow down", "limited"),
        (429, '{"error": {"code": "insufficient_quota"}}', "fatal"),
        (429, '{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}', "fatal"),
        (401, "bad key", "fatal"),
        (403, "no", "fatal"),
        (400, "what", "fatal"),
        (402, "Insufficient Balance", "fatal"),
        (404, "no such model", "fatal"),
        (302, "", "fatal"),
        (408, "", "transient"),
        (500, "", "transient"),
        (502, "<html>", "transient"),
        (503, "overloaded", "transient"),
        (529, "", "transient"),
        (400, '{"error": {"code": "content_filter"}}', "refused"),
        (400, '{"code": "DataInspectionFailed"}', "refused"),
    ],
)
def test_a_status_and_what_is_said_make_the_kind(status, said, kind):
    found = by_status(status, {}, said)
    assert found.kind == kind and f"HTTP {status}" in found.words


def test_googles_delay_stands_in_the_body():
    said = json.dumps({"error": {"details": [{"retryDelay": "34.5s"}]}})
    assert by_status(429, {}, said).wait == 34.5
    assert by_status(429, {"Retry-After": "2"}, said).wait == 2


def openai_error(status: int, body: dict, headers: dict | None = None) -> openai.APIStatusError:
    response = httpx.Response(status, headers=headers, json=body, request=POST)
    return openai.APIStatusError("told", response=response, body=body)


def google_error(status: int, said: dict):
    from google.genai import errors

    return errors.APIError(status, {"error": said})


@pytest.mark.parametrize(
    "error, kind, wait",
    [
        (openai_error(429, {"code": "rate_limit"}, {"retry-after": "3"}), "limited", 3.0),
        (openai_error(429, {"code": "insufficient_quota"}), "fatal", None),
        (openai_error(500, {}), "transient", None),
        (
            openai.APIConnectionError(request=httpx.Request("POST", "https://x.y")),
            "transient",
            None,
        ),
        (openai.APITimeoutError(httpx.Request("POST", "https://x.y")), "transient", None),
        (google_error(503, {"message": "overloaded"}), "transient", None),
        (google_error(403, {"message": "no"}), "fatal", None),
        (
            google_error(429, {"details": [{"retryDelay": "5s"}]}),
            "limited",
            5.0,
        ),
        (TimeoutError(), "transient", None),
        (ConnectionResetError("reset"), "transient", None),
        (aiohttp.ClientPayloadError("cut"), "transient", None),
        (httpx.RemoteProtocolError("cut"), "transient", None),
        (json.JSONDecodeError("no", "x", 0), "transient", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_exceptions_of_the_sdks_are_told_apart(error, kind, wait):
    found = of(error)
    assert (found.kind, found.wait) == (kind, wait)


def test_a_dead_websocket_is_the_networks_fault():
    from websockets.exceptions import ConnectionClosedError

    assert of(ConnectionClosedError(None, None)).kind == "transient"


def test_a_mistake_of_our_own_is_no_fault():
    assert of(KeyError("choices")) is None and of(AttributeError("x")) is None
    fault = CallError("cut", "told")
    assert of(fault) is fault


def test_what_is_said_is_shown_on_one_short_line():
    words = by_status(500, {}, "a\nb  c" * 1000).words
    assert "\n" not in words and len(words) < errors.SHOWN + 40


def test_half_an_emoji_in_an_error_harms_nothing():
    """Words and raw replies are printed, and written into a table: both as UTF-8."""
    body = {"error": {"message": "half \ud83d of one"}}
    fault = errors.of(type("Refused", (Exception,), {"status_code": 400, "body": body})("no"))
    assert "half of one" in fault.words
    assert errors.by_status(500, {}, "\ud83d\ude02 \ud83d").words == "HTTP 500: 😂"
    assert errors.CallError("refused", "no", raw="\ud83d!").raw == "!"


def test_words_have_an_end():
    """An SDK shows the whole of a message that it cannot read."""
    assert len(CallError("transient", "x" * 10**6).words) == errors.LONGEST

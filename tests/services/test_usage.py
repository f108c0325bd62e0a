"""Usage reports of services, in every shape: nothing is counted as less than it may have been."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.backends.judge import gemini
from scripts.common.json_path import MOST, number
from scripts.services import client as client_
from scripts.services import openai_chat, prices
from scripts.services.ledger import BudgetReached
from tests.services.conftest import GOOD

RESERVED = {"input token": 20, "input audio token": 50, "output token": 256}
WRONG = [None, -5000, 256.5, "256", True, float("inf"), float("nan"), MOST * 10, 10**4000, [1]]


def chat(read=30, written=7, heard=None) -> dict:
    details = {} if heard is None else {"prompt_tokens_details": {"audio_tokens": heard}}
    usage = {"prompt_tokens": read, "completion_tokens": written, **details}
    said = {"usage": {name: count for name, count in usage.items() if count is not None}}
    return openai_chat.spent(said, RESERVED)


def test_what_is_said_is_booked():
    assert chat(heard=10) == {"input token": 20, "input audio token": 10, "output token": 7}
    assert chat(heard=10, written=256.0)["output token"] == 256
    assert chat(heard=0, read=900, written=5000) == {"input token": 900, "output token": 5000}


@pytest.mark.parametrize("count", [*WRONG, 0], ids=lambda value: str(value)[:20])
def test_what_is_not_said_or_cannot_be_counts_as_reserved(count):
    assert chat(written=count, heard=10)["output token"] == 256
    assert chat(read=count, heard=10) == {**RESERVED, "output token": 7}


@pytest.mark.parametrize("count", WRONG, ids=lambda value: str(value)[:20])
def test_audio_that_is_not_told_apart_counts_as_audio(count):
    assert chat(heard=count) == {"input audio token": 30, "output token": 7}
    assert chat(read=80, heard=count)["input audio token"] == 50


def test_more_audio_than_there_are_tokens_counts_as_reserved():
    assert chat(read=30, heard=31) == {**RESERVED, "output token": 7}


@pytest.mark.parametrize("usage", [None, {}, [], "much", 7])
def test_no_usage_counts_as_reserved(usage):
    assert openai_chat.spent({"usage": usage}, RESERVED) == RESERVED
    assert openai_chat.spent({}, RESERVED) == RESERVED
    assert gemini.spent_by(usage, RESERVED) == RESERVED


def test_gemini_says_thoughts_and_parts():
    said = {"promptTokenCount": 70, "candidatesTokenCount": 20, "thoughtsTokenCount": 5}
    said["promptTokensDetails"] = [{"modality": "AUDIO", "tokenCount": 40}, {"modality": "TEXT"}]
    right = {"input token": 30, "input audio token": 40, "output token": 25}
    assert gemini.spent_by(said, RESERVED) == right
    assert gemini.spent_by({**said, "thoughtsTokenCount": -5}, RESERVED)["output token"] == 256
    assert gemini.spent_by({**said, "candidatesTokenCount": None}, RESERVED)["output token"] == 256
    said["promptTokensDetails"][0]["tokenCount"] = -1
    assert gemini.spent_by(said, RESERVED)["input audio token"] == 50


@pytest.mark.parametrize(
    "rows",
    [
        [{"modality": "MODALITY_UNSPECIFIED", "tokenCount": 70}],
        [{"modality": "TEXT", "tokenCount": 20}, {"modality": "VIDEO", "tokenCount": 50}],
        [{"modality": "TEXT", "tokenCount": 20}],  # where are the others?
        [{"modality": "TEXT", "tokenCount": 20}, {"modality": "AUDIO"}],
        [{"modality": "audio", "tokenCount": 70}],
        [5, None, "AUDIO"],
        {"modality": "AUDIO", "tokenCount": 70},
        [],
    ],
)
def test_a_list_of_modalities_that_is_not_whole_says_nothing(rows):
    said = {"promptTokenCount": 70, "candidatesTokenCount": 20, "promptTokensDetails": rows}
    right = {"input token": 20, "input audio token": 50, "output token": 20}
    assert gemini.spent_by(said, RESERVED) == right


@pytest.mark.parametrize("parts", [5, True, "text", {"text": "hi"}, None, [5, None, []]])
def test_parts_of_a_reply_that_are_none_are_a_fault_of_the_service(parts):
    said = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    model = gemini.Gemini("m", "https://api.example.com", None, None)
    with pytest.raises(client_.CallError, match="no whole reply"):
        model.read(said, RESERVED)


def test_what_is_in_the_total_alone_was_written():
    """Some services count what a model thinks nowhere else."""
    said = {"prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 900}
    assert openai_chat.spent({"usage": said}, RESERVED)["output token"] == 870
    said = {"promptTokenCount": 70, "candidatesTokenCount": 20, "totalTokenCount": 100}
    assert gemini.spent_by(said, RESERVED)["output token"] == 30


def test_a_call_that_was_cut_short_had_twice_as_much_reserved():
    assert prices.widened(RESERVED, 2) == {**RESERVED, "output token": 1024}


ODD = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3))


@given(ODD, ODD, ODD)
def test_no_usage_breaks_it_or_comes_to_less_than_it_says(read, written, heard):
    usage = {"prompt_tokens": read, "completion_tokens": written}
    usage["prompt_tokens_details"] = {"audio_tokens": heard}
    found = openai_chat.spent({"usage": usage}, RESERVED)
    assert all(amount > 0 for amount in found.values())
    whole = found.get("input token", 0) + found.get("input audio token", 0)
    assert whole == (number(usage, "prompt_tokens") or 70) or whole == 70
    assert found["output token"] == (number(usage, "completion_tokens") or 256)


def test_what_exceeds_the_reserve_is_booked_and_told_and_stops_what_is_not_yet_sent(
    paid, monkeypatch, screen
):
    server, client, ask = paid({"all": 1.0}, answer=lambda request: {**GOOD, "tokens": 5000})
    with pytest.raises(BudgetReached, match="max_usd is reached: [0-9.]+ of 1.00"):
        ask(100)
    assert len(server.requests) <= 4  # those under way
    assert client.store.spent() == pytest.approx(50 * len(server.requests))
    said = screen.getvalue()
    assert said.count("Warning: ") == 1 and "50.0000 USD" in said and "0.1300 USD" in said


def test_an_answer_that_cannot_be_used_and_exceeds_the_reserve_is_told_too(
    paid, monkeypatch, screen
):

    def read(found) -> None:
        raise client_.CallError("unusable", "nothing in it", used={"output token": 5000})

    _, client, ask = paid({"all": 1.0}, read=read)
    with pytest.raises(BudgetReached, match="max_usd is reached"):
        ask(100)
    assert screen.getvalue().count("Warning: ") == 1 and "50.0000 USD" in screen.getvalue()

"""A dated name is the same model; any other name is another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.services.model_versions import same_model


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4.1", "gpt-4.1-2025-04-14"),
        ("gpt-4.1-2025-04-14", "gpt-4.1-2025-04-14"),
        ("gemini-2.5-pro", "models/gemini-2.5-pro"),
        ("gemini-2.5-pro", "models/gemini-2.5-pro-001"),
        ("gemini-2.5-pro", "gemini-2.5-pro@20250617"),
        ("deepseek/deepseek-chat-v3", "deepseek-chat-v3-0324"),
        ("deepseek/deepseek-chat-v3-0324", "deepseek/deepseek-chat-v3-0324"),
        ("Qwen2.5-Omni-7B", "Qwen/qwen2.5-omni-7b"),
    ],
)
def test_a_date_or_a_revision_is_the_same_model(asked, answered):
    assert same_model(asked, answered)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gemini-2.5-pro", "gemini-3-pro"),
        ("gemini-2.5-pro", "gemini-2.5-pro-preview-06-05"),
        ("gemini-2.5-pro", "gemini-2.5-flash"),
        ("gpt-4.1", "gpt-4.1-mini"),
        ("gpt-4.1", "gpt-4.1-mini-2025-04-14"),
        ("gpt-4.1-2025-04-14", "gpt-4.1-2025-06-01"),
        ("gpt-4.1-2025-04-14", "gpt-4.1"),  # it does not say which
        ("gpt-4", "gpt-4-32k"),
        ("gpt-4", "gpt-4-9999"),
        ("gpt-4", "gpt-45"),
        ("gpt-audio-1.5", "gpt-audio-1"),
        ("gpt-audio-1.5", ""),
    ],
)
def test_another_name_is_another_model(asked, answered):
    assert not same_model(asked, answered)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1), st.dates())
def test_every_name_is_itself_with_and_without_a_date(name, day):
    name = name.replace("/", "-")
    assert same_model(name, name)
    if day.year >= 2000 and day.year < 2100:
        assert same_model(name, f"{name}-{day.isoformat()}")

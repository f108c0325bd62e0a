"""A role's clip is uploaded only to Model Studio's file store, whose answer has a size limit."""

from __future__ import annotations

import pytest
from aiohttp import web

from scripts.common.errors import UserError
from scripts.services import http_limits
from tests.servers.dashscope import ModelStudio
from tests.servers.speech import KEY, SPEECH, load


@pytest.fixture(autouse=True)
def key(services, monkeypatch):
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)


def test_an_upload_without_leave_names_the_variable_of_the_key(monkeypatch):
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-another")
    with ModelStudio(KEY) as server, pytest.raises(UserError, match="DASHSCOPE_API_KEY") as error:
        load("tts", "dashscope", server).voice(SPEECH, "", "English")
    assert "sk-another" not in str(error.value)


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda: web.Response(body=b"a" * 60_000), "sends more than 0.0"),
        (lambda: web.Response(status=307, headers={"Location": "/elsewhere"}), "HTTP 307"),
        (lambda: web.Response(status=403, text="expired"), "HTTP 403 expired"),
    ],
)
def test_what_the_store_for_clips_answers_has_a_limit_and_is_not_followed(
    services, monkeypatch, answer, words
):
    monkeypatch.setattr(http_limits, "TEXT", 50_000)
    services(tries=1)
    with ModelStudio(KEY) as server:
        server.stored = answer
        with pytest.raises(UserError, match=words):
            load("tts", "dashscope", server).voice(SPEECH, "", "English")
        assert len(server.uploads) == 2 and not server.voices  # asked twice


def test_a_store_for_clips_that_is_not_named_is_asked_for_again(services):
    services(tries=1)
    with ModelStudio(KEY) as server:
        server.store = ""
        with pytest.raises(UserError, match="asked 2 times.*names no place for a clip"):
            load("tts", "dashscope", server).voice(SPEECH, "", "English")


def test_a_clip_goes_to_no_address_that_is_not_allowed():
    with ModelStudio(KEY) as server:
        server.store = "http://192.168.0.7/store"
        with pytest.raises(UserError, match="upload.*192.168.0.7.*services.hosts"):
            load("tts", "dashscope", server).voice(SPEECH, "", "English")

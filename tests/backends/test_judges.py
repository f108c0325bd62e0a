"""The judges that listen, against local servers that speak the services' protocols."""

from __future__ import annotations

import base64
import json

import pytest
import yaml

from scripts.backends import judge as contract
from scripts.backends.judge import gemini
from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.services import client
from scripts.workflow import specs
from tests.judging.ears import (
    GOOD,
    KEY,
    PAIR,
    SERVICES,
    TABLE,
    always_a,
    as_json,
    listen,
)
from tests.servers.gemini import Asked
from tests.servers.scripted import Step


@pytest.fixture(params=sorted(SERVICES))
def service(request, services, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return SERVICES[request.param]


@pytest.mark.parametrize("order", ["paper", "both", "random"])
@pytest.mark.parametrize("mode, answer", [("per_metric", always_a), ("joint", as_json)])
def test_keeps_the_contract(service, order, mode, answer):
    with service.server(answer) as server:
        judge = listen(service.name, server, order=order, protocol=mode)
        contract.accept(judge, PAIR)
        assert judge.integer_scores == (order != "both")
        calls = (8 if mode == "per_metric" else 1) * (2 if order == "both" else 1)
        assert len(server.asked) == calls
        assert {request.headers.get("Content-Type") for request in server.requests} == {
            "application/json"
        }


def test_the_request_is_the_sdks_own(service):
    options = {"temperature": 0.5, "order": "paper"}
    if service.name == "gemini":
        options["thinking"] = 128
    with service.server() as server, service.server() as theirs:
        judge = listen(service.name, server, **options)
        judge.judge([PAIR], TABLE[:1])
        asked = server.asked[0]
        ask_by_sdk(service.name, theirs, asked, options)
        (ours,), (own,) = server.requests, theirs.requests
    assert ours.json == own.json and ours.path == own.path
    assert asked.wavs == [sound.wav() for sound in (*PAIR.test.audio, *PAIR.reference.audio)]
    same = ("x-goog-api-key", "authorization", "content-type")
    headers, theirs = (
        {name.lower(): value for name, value in request.headers.items() if name.lower() in same}
        for request in (ours, own)
    )
    assert headers == theirs and KEY in str(headers) and KEY not in ours.path


def ask_by_sdk(name: str, server, asked: Asked, options: dict) -> None:
    """Sends the content of `asked` through the service's SDK, including audio."""
    if name == "gemini":
        from google import genai
        from google.genai import types

        client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=server.address))
        parts = [
            types.Part.from_text(text=part)
            if isinstance(part, str)
            else types.Part.from_bytes(data=part, mime_type="audio/wav")
            for part in asked.parts
        ]
        client.models.generate_content(
            model="gemini-2.5-pro",
            contents=[types.Content(role="user", parts=parts)],
            config=types.GenerateContentConfig(
                system_instruction=asked.system,
                temperature=options["temperature"],
                max_output_tokens=4096,
                thinking_config=types.ThinkingConfig(thinking_budget=options["thinking"]),
            ),
        )
        return
    import openai

    parts = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {
            "type": "input_audio",
            "input_audio": {"data": base64.b64encode(part).decode(), "format": "wav"},
        }
        for part in asked.parts
    ]
    openai.OpenAI(api_key=KEY, base_url=server.address, max_retries=0).chat.completions.create(
        model="gpt-audio-1.5",
        messages=[
            {"role": "system", "content": asked.system},
            {"role": "user", "content": parts},
        ],
        max_tokens=1024,
        temperature=options["temperature"],
    )


def test_nothing_is_sent_that_was_not_asked_for(service):
    with service.server() as server:
        listen(service.name, server).judge([PAIR], TABLE[:1])
    assert service.temperature(server.asked[0]) is None
    assert "thinking" not in json.dumps(server.asked[0].json)


@pytest.mark.parametrize(
    "protocol, answer, limit", [("per_metric", always_a, 4096), ("joint", as_json, 16_384)]
)
def test_gemini_has_room_for_its_thoughts_where_all_metrics_are_one_reply(
    services, monkeypatch, protocol, answer, limit
):
    """Eight rationales are 2,000 tokens at most; the last attempt gets what the model can write."""
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    with SERVICES["gemini"].server(answer) as server:
        for own in ({}, {"max_tokens": 777}):
            judge = listen("gemini", server, order="paper", protocol=protocol, **own)
            judge.judge([PAIR], TABLE)
        sent = [asked.json["generationConfig"]["maxOutputTokens"] for asked in server.asked]
    assert set(sent) == {limit, 777} and sent[0] == limit
    assert gemini.TOKENS["joint"] * 2**client.CUTS == 65_536


def test_without_usage_what_was_reserved_counts_as_used(service):
    usage = "usageMetadata" if service.name == "gemini" else "usage"
    with service.server() as server:
        reply = server.reply
        server.reply = lambda *told: {k: v for k, v in reply(*told).items() if k != usage}
        judge = listen(service.name, server, order="paper", max_tokens=333)
        judge.judge([PAIR], TABLE[:1])
        ((used,),) = judge.client.store.db.execute("SELECT used FROM attempts").fetchall()
    assert json.loads(used)["output token"] == 333


def test_other_parameters_are_another_question(service):
    options = [{}, {"temperature": 0}, {"max_tokens": 99}]
    options += [{"thinking": 128}, {"thinking": 256}] if service.name == "gemini" else []
    with service.server() as server:
        for own in [*options, *options]:
            listen(service.name, server, order="paper", **own).judge([PAIR], TABLE[:1])
        assert len(server.asked) == len(options)


def test_geminis_thoughts_are_no_part_of_its_reply(services):
    parts = [{"text": "Hm.\n[Scores]: (1, 1)\n", "thought": True}, {"text": GOOD}]
    reply = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    with SERVICES["gemini"].server(lambda asked: reply) as server:
        ((scores,),) = listen("gemini", server, order="paper").judge([PAIR], TABLE[:1])
    assert (scores.test, scores.rationale) == (8, "(test is A) A is livelier.")


def test_the_environment_does_not_send_it_elsewhere(service, monkeypatch):
    for name in ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE"):
        monkeypatch.setenv(name, "true")
    for name in ("GOOGLE_GEMINI_BASE_URL", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("GOOGLE_API_KEY", "another")
    with service.server() as server:
        server.address += "/"
        ((scores,),) = listen(service.name, server).judge([PAIR], TABLE[:1])
        assert scores.test == 7 and len(server.asked) == 2
        assert KEY in str(server.asked[0].headers)


def test_a_server_of_ours_needs_no_key(service, monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY")
    monkeypatch.delenv("OPENAI_API_KEY")
    with service.server() as server:
        listen(service.name, server).judge([PAIR], TABLE[:1])
    names = {name.lower() for name in server.asked[0].headers}
    assert not names & {"authorization", "x-goog-api-key"}


def test_an_unusable_reply_is_asked_for_again_and_then_missing(service):
    bad = "Fine.\n[Scores]: (8/10, 6/10)"
    with service.server(steps=[bad, GOOD]) as server:
        judge = listen(service.name, server, order="paper")
        ((scores,),) = judge.judge([PAIR], TABLE[:1])
        assert (scores.test, scores.reference) == (8, 6)
        first, second = server.requests
        assert first.body == second.body
    with service.server(lambda asked: bad) as server:
        judge = listen(service.name, server, order="paper")
        ((scores,),) = judge.judge([PAIR], TABLE[:1])
        assert len(server.asked) == 3
        assert (scores.test, scores.reference, scores.raw) == (None, None, bad)
        assert "[Scores]: (a, b)" in scores.reason and scores.trials == ()
        judge.judge([PAIR], TABLE[:1])
        assert len(server.asked) == 6  # it was not kept


def test_a_reply_cut_short_is_asked_for_with_more_room(service):
    with service.server(steps=[service.cut(None)]) as server:
        judge = listen(service.name, server, order="paper", max_tokens=300)
        ((scores,),) = judge.judge([PAIR], TABLE[:1])
        assert scores.test == 8
        assert [service.limit(asked) for asked in server.asked] == [300, 600]
    with service.server(service.cut) as server:
        judge = listen(service.name, server, order="paper", max_tokens=300)
        ((scores,),) = judge.judge([PAIR], TABLE[:1])
        assert scores.test is None and "cut short" in scores.reason
        assert [service.limit(asked) for asked in server.asked] == [300, 600, 1200]


def test_refusals_are_missing_and_not_kept(service):
    for refusal in service.refusals:
        with service.server(lambda asked, refusal=refusal: refusal) as server:
            judge = listen(service.name, server, order="paper")
            ((scores,),) = judge.judge([PAIR], TABLE[:1])
            assert scores.test is None and "the service refused" in scores.reason
            assert len(server.asked) == 3
            server.scripted.append(GOOD)
            assert judge.judge([PAIR], TABLE[:1])[0][0].test == 8


def test_empty_replies_are_no_scores_but_asked_for_again(service):
    for empty in service.empty:
        with service.server(steps=[empty, Step(503, body={})]) as server:
            judge = listen(service.name, server, order="paper")
            ((scores,),) = judge.judge([PAIR], TABLE[:1])
            assert (scores.test, scores.reference) == (8, 6) and len(server.asked) == 3
            states = {
                row[3]: row[4] for row in judge.client.store.summary() if server.address in row[1]
            }
            assert states == {"transient": 2, "answered": 1}


def test_the_version_is_the_one_that_answered(service):
    with service.server(version="ears-2") as server:
        ((scores,),) = listen(service.name, server).judge([PAIR], TABLE[:1])
        assert scores.version == "ears-2"
        assert scores.asked == {"gemini": "gemini-2.5-pro", "openai": "gpt-audio-1.5"}[service.name]
        with pytest.raises(UserError, match="'ears-2', the config asks for the version 'ears-1'"):
            listen(service.name, server, version="ears-1").judge([PAIR], TABLE[:1])


def test_a_key_in_a_good_reply_is_not_kept(service, monkeypatch):
    own = "zq-83c1-of-this-test"
    monkeypatch.setenv("GEMINI_API_KEY", own)
    monkeypatch.setenv("OPENAI_API_KEY", own)
    said = f"A is livelier, {own}.\n[Scores]: (8, 6)"
    with service.server(lambda asked: said, version=f"m-{own}") as server:
        ((scores,),) = listen(service.name, server, order="paper").judge([PAIR], TABLE[:1])
    assert scores.version.startswith("m-[") and scores.test == 8
    assert own not in f"{scores.version} {scores.rationale}"


def test_what_was_used_is_what_the_service_says_and_less_than_was_reserved(service):
    with service.server() as server:
        judge = listen(service.name, server, order="paper")
        judge.judge([PAIR], TABLE[:1])
        sides = (judge.clips(side.audio) for side in (PAIR.test, PAIR.reference))
        group = [(TABLE[:1], judge.protocol.last(TABLE[:1]))]
        (call,) = judge.calls(PAIR, *sides, judge.trials(PAIR), group)
        reply = server.reply(server.asked[0], *["m"][: service.name == "gemini"], GOOD)
    text, used, version = judge.service.read(reply, {})
    seconds = (16000 + 8000 + 12000 + 9000) / 16000
    per_second, thoughts = (32, 50) if service.name == "gemini" else (10, 0)
    assert text == GOOD and used["input audio token"] == round(per_second * seconds)
    assert used["input token"] == sum(len(p) for p in server.asked[0].parts if type(p) is str) // 4
    assert used["output token"] == len(GOOD) // 4 + thoughts
    assert set(used) == set(call.most) and all(used[unit] <= call.most[unit] for unit in used)
    usage = "usageMetadata" if service.name == "gemini" else "usage"
    silent = {name: value for name, value in reply.items() if name != usage}
    assert judge.service.read(silent, call.most)[1] == call.most


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"order": "paprr"}, "did you mean 'paper'"),
        ({"protocol": "joined"}, "did you mean 'joint'"),
        ({"samples": 0}, "samples must be above 0"),
        ({"longest": -1}, "longest must be above 0"),
        ({"max_tokens": 0}, "max_tokens must be above 0"),
        ({"prompt_per_metric": "config/prompts/judge_joint.md"}, "{ids}"),
        ({"prompt_per_metric": "none.md"}, "none.md does not exist"),
    ],
)
def test_wrong_options_are_told(service, options, sentence):
    with service.server() as server, pytest.raises(UserError) as error:
        listen(service.name, server, **options)
    assert sentence in str(error.value)


def test_as_published_is_the_released_codes_protocol():
    paper, overlay = (
        yaml.safe_load((ROOT / f"config/{name}.yaml").read_text("utf-8"))
        for name in ("paper", "as_published")
    )
    judge = paper["judge"]
    models = {judge: {**paper["models"][judge], **overlay["models"][judge]}}
    spec = specs.resolve(models, judge, "judge", "as_published.yaml")
    assert spec.options == {
        "model": "gemini-2.5-pro",
        "version": "gemini-2.5-pro",
        "protocol": "joint",
        "order": "paper",
        "temperature": 0,
        "longest": 60,
    }

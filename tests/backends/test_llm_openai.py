"""llm/openai over real sockets, through the SDK."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import backends
from scripts.backends import llm
from scripts.backends.llm import openai as module
from scripts.common.errors import UserError
from scripts.services import multiple_choice
from scripts.workflow.model_spec import ModelSpec
from tests.servers.openai_paper import chosen, completion, said
from tests.servers.scripted import Scripted, Step

KEY = "TEST_LLM_KEY"
CANARY = "sk-canary-99ab"
ASK = [{"role": "user", "content": "Who are you?"}]


@pytest.fixture
def asked(services, monkeypatch):
    """Function (steps, answer, **options) -> (server, backend)."""
    services(tries=2, resample=2)
    monkeypatch.setenv(KEY, CANARY)
    servers = []

    def start(*steps, answer=lambda request: said("m-2026", "I am Joe."), **options):
        server = Scripted(steps, answer)
        servers.append(server)
        options = {"model": "m", "address": f"{server.address}/v1", "key": KEY, **options}
        spec = ModelSpec("llm", "openai", options)
        return server, backends.load(spec)

    yield start
    for server in servers:
        server.__exit__()


def likely(*pairs, text: str | None = None) -> dict:
    """A reply whose first token has the alternatives (token, probability); the first was chosen."""
    tops = [{"token": own, "logprob": math.log(p), "bytes": None} for own, p in pairs]
    token = {**tops[0], "top_logprobs": tops}
    message = {"content": text or pairs[0][0]}
    return completion("m-2026", message, {"content": [token], "refusal": None})


def test_it_keeps_the_contract(asked):
    def answer(request):
        last = request.json["messages"][-1]["content"]
        if module.PICK in last:
            return likely(("B", 0.8), ("A", 0.2))
        return said("m-2026", "Paris.")

    _, model = asked(answer=answer)
    llm.accept(model)


def test_a_request_is_what_the_service_documents(asked):
    server, model = asked(extra={"thinking": {"type": "disabled"}})
    assert model.generate([ASK], max_tokens=500, seed=7) == ["I am Joe."]
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["Authorization"] == f"Bearer {CANARY}"
    assert request.json == {
        **{"model": "m", "messages": ASK, "seed": 7, "temperature": 0.0, "max_tokens": 500},
        "thinking": {"type": "disabled"},
    }


def test_each_chat_may_have_a_seed_of_its_own(asked):
    server, model = asked()
    assert (
        model.generate([ASK] * 2, max_tokens=8, seed=[4, 5], temperature=1.0) == ["I am Joe."] * 2
    )
    assert sorted(request.json["seed"] for request in server.requests) == [4, 5]
    assert {request.json["temperature"] for request in server.requests} == {1.0}


def test_the_context_is_what_the_config_says_and_tokens_are_counted_high(asked):
    assert asked()[1].context is None
    _, model = asked(context=1000)
    assert model.context == 1000
    assert model.count(["", "abcd", "你好 abc"]) == [0, 2, 4]


def test_another_service_hears_nothing_of_an_account_with_openai(asked, monkeypatch):
    for name in ("ORG_ID", "PROJECT_ID", "ADMIN_KEY", "API_KEY"):
        monkeypatch.setenv(f"OPENAI_{name}", f"mine-{name}")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: mine-header")
    server, model = asked()
    assert model.generate([ASK], 8) == ["I am Joe."]
    assert "mine" not in str(server.requests[0].headers)


def test_limits_and_temperatures_are_the_configs_where_it_has_them(asked):
    server, model = asked(temperature=1.0, token_limit="max_completion_tokens", least_tokens=2000)
    model.generate([ASK], max_tokens=8)
    body = server.requests[0].json
    assert (body["temperature"], body["max_completion_tokens"]) == (1.0, 2000)
    assert "max_tokens" not in body


def test_many_chats_are_asked_at_once_and_answered_in_order(asked):
    echo = lambda r: Step(body=said("m", r.json["messages"][0]["content"]), hold=0.1)  # noqa: E731
    server, model = asked(answer=echo)
    chats = [[{"role": "user", "content": f"number {n}"}] for n in range(20)]
    assert model.generate(chats, 8) == [f"number {n}" for n in range(20)]
    assert server.most > 5 and model.generate(chats[:3], 8) == ["number 0", "number 1", "number 2"]
    assert len(server.requests) == 20


@pytest.mark.parametrize(
    "reply, rest",
    [
        ('[{"dialogue": 1}]', ": 1}]"),
        ('[ {"dialogue" : 1}]', " : 1}]"),
        (": 1}]", ": 1}]"),
        ("Here it is: []", "Here it is: []"),
    ],
)
def test_a_beginning_is_asked_for_and_taken_off(asked, reply, rest):
    server, model = asked(said("m", reply))
    chat = [*ASK, {"role": "assistant", "content": '[{"dialogue"'}]
    assert model.generate([chat], 8) == [rest]
    (message,) = server.requests[0].json["messages"]
    assert message["role"] == "user" and message["content"].endswith('[{"dialogue"')


def test_thoughts_are_no_part_of_a_reply(asked):
    _, model = asked(said("m", "<think>Who am I?</think>\nI am Joe."))
    assert model.generate([ASK], 8) == ["I am Joe."]


def test_a_cut_reply_is_asked_for_with_more_room(asked):
    server, model = asked(ended("length"))
    assert model.generate([ASK], 300) == ["I am Joe."]
    assert [request.json["max_tokens"] for request in server.requests] == [300, 600]


def ended(why: str) -> dict:
    found = said("m", "I")
    found["choices"][0]["finish_reason"] = why
    return found


@pytest.mark.parametrize(
    "answer, calls, words",
    [
        (ended("content_filter"), 2, "the service refused"),
        (completion("m", {"refusal": "I will not."}), 2, "I will not."),
        (Step(400, body={"error": {"code": "content_filter", "message": "no"}}), 2, "refused"),
        ({**said("m", "x"), "choices": []}, 3, "without a message"),
        ({"error": {"message": "upstream is gone", "code": 502}}, 3, "upstream is gone"),
        (ended("error"), 3, "it ended with 'error'"),
        (said("m", None), 3, "without text"),
        (said("m", "<think>hm"), 3, "without text"),
        (Step(500, body={"error": {"message": "broken"}}), 3, "broken"),
    ],
    ids=[
        "filter",
        "refusal",
        "400 filter",
        "none",
        "200 error",
        "error",
        "null",
        "thoughts",
        "500",
    ],
)
def test_no_reply_has_its_reason_and_leaves_the_others(asked, capsys, answer, calls, words):
    wrong = lambda r: answer if "Who" in str(r.body) else said("m", "Fine.")  # noqa: E731
    server, model = asked(answer=wrong)
    other = [{"role": "user", "content": "How do you do?"}]
    none, fine = model.generate([ASK, other], 8)
    assert (none, fine) == ("", "Fine.") and words in llm.why_none(none)
    assert llm.why_none(fine) is None and len(server.requests) == calls + 1
    assert words in capsys.readouterr().out


ODD = (None, "x", 3, [], {}, [None], [3], {"content": []})
PLACES = [
    *[(name,) for name in ("choices", "usage", "model")],
    *[("choices", 0, name) for name in ("message", "finish_reason", "logprobs")],
    *[("choices", 0, "message", name) for name in ("content", "refusal")],
    *[("usage", name) for name in ("prompt_tokens", "completion_tokens", "prompt_tokens_details")],
    *[("choices", 0, "logprobs", "content"), ("choices", 0, "logprobs", "content", 0)],
    ("choices", 0, "logprobs", "content", 0, "top_logprobs"),
]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_no_reply_of_whatever_shape_stops_a_run(asked, place):
    """Whatever stands in a place of a reply, the call has an answer or a reason."""
    replies = []
    for odd in ODD:
        replies.append(found := likely(("A", 0.9), ("B", 0.1)))
        *way, last = place
        for step in way:
            found = found[step]
        found[last] = odd

    _, model = asked(answer=lambda r: replies[int(r.json["messages"][0]["content"][0])])
    chats = [[{"role": "user", "content": f"{number}"}] for number in range(len(ODD))]
    for reply in model.generate(chats, 8):
        assert reply == "A" or reply == "x" or llm.why_none(reply)
    for row in model.choose(chats, ["Joe", "Sparky"]):
        assert row is None or row[0] > row[1]


def test_another_address_is_not_gone_to(asked):
    with Scripted() as other:
        server, model = asked(Step(302, headers={"Location": f"{other.address}/stolen"}))
        with pytest.raises(UserError, match="302"):
            model.generate([ASK], 8)
        assert other.requests == [] and len(server.requests) == 1


def test_a_wrong_key_stops_the_run(asked):
    _, model = asked(Step(401, body={"error": {"message": f"Incorrect API key: {CANARY}"}}))
    with pytest.raises(UserError, match=KEY) as error:
        model.generate([ASK], 8)
    assert CANARY not in str(error.value)


def test_what_it_used_is_in_the_ledger(asked):
    reply = said("m-2026", "Hi.")
    reply["usage"]["prompt_tokens_details"] = {"cached_tokens": 40, "audio_tokens": 0}
    _, model = asked(reply)
    model.generate([ASK], 8)
    rows = model.client.store.db.execute("SELECT version, used FROM attempts").fetchall()
    assert rows == [("m-2026", '{"input token": 100, "output token": 20}')]


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0}])
def test_a_service_that_does_not_say_is_taken_to_have_used_the_most(asked, usage):
    _, model = asked({**said("m", "Hi."), "usage": usage})
    model.generate([ASK], 300)
    ((used,),) = model.client.store.db.execute("SELECT used FROM attempts").fetchall()
    assert json.loads(used) == {"input token": 24, "output token": 300}


# --- options


def test_letters_are_counted_in_all_their_forms(asked):
    reply = likely(("A", 0.3), (" A", 0.2), ("(A", 0.1), (" B", 0.3), ("Joe", 0.1))
    server, model = asked(reply)
    ((first, second),) = model.choose([ASK], ["Joe", "Sparky"])
    assert math.exp(first) == pytest.approx(2 / 3) and math.exp(second) == pytest.approx(1 / 3)
    body = server.requests[0].json
    assert body["logprobs"] is True and body["top_logprobs"] == 20
    assert body["messages"][-1]["content"].endswith("A. Joe\nB. Sparky")


def test_a_service_without_probabilities_is_taken_at_its_word(asked):
    server, model = asked(said("m", "B."), logprobs=False)
    ((first, second),) = model.choose([ASK], ["Joe", "Sparky"])
    assert math.exp(first) == pytest.approx(multiple_choice.FLOOR, rel=0.01) and second > -1e-5
    assert "logprobs" not in server.requests[0].json


@pytest.mark.parametrize("reply", ["Joe", "C", "A or B", "", "Answer: Sparky", "AB"])
def test_what_is_no_letter_is_asked_again_and_then_no_choice(asked, reply):
    server, model = asked(answer=lambda r: said("m", reply or " "))
    assert model.choose([ASK], ["Joe", "Sparky"]) == [None]
    assert len(server.requests) >= 2


def test_more_options_than_letters_are_asked_for_in_groups(asked):
    names = [f"name {n}" for n in range(45)]

    def answer(request):
        lines = request.json["messages"][-1]["content"].split("\n\n")[-1].splitlines()
        place = next((n for n, line in enumerate(lines) if line.endswith("name 33")), 0)
        rest = [("ABCDEFGHIJKLMNOPQRST"[n], 0.01) for n in range(len(lines)) if n != place]
        return likely(("ABCDEFGHIJKLMNOPQRST"[place], 0.7), *rest)

    server, model = asked(answer=answer)
    (found,) = model.choose([ASK], names)
    assert len(found) == 45 and names[found.index(max(found))] == "name 33"
    assert sum(map(math.exp, found)) == pytest.approx(1)
    assert len(server.requests) == 4  # three groups, and their best against each other


def test_what_was_chosen_is_not_asked_again(asked):
    names = [f"name {n}" for n in range(45)]
    server, model = asked(answer=lambda request: likely(("A", 0.7), ("B", 0.2)))
    first = model.choose([ASK], names)
    count = len(server.requests)
    assert model.choose([ASK], names) == first and len(server.requests) == count == 4


def test_one_group_without_an_answer_leaves_the_whole_without(asked):
    first = lambda r: "name 0\n" in r.json["messages"][-1]["content"]  # noqa: E731
    _, model = asked(answer=lambda r: said("m", "?") if first(r) else likely(("A", 0.7)))
    assert model.choose([ASK], [f"name {n}" for n in range(45)]) == [None]


def test_a_letter_among_the_thoughts_is_not_the_answer(asked):
    rows = [("<think>", 1.0), ("A", 0.99), ("?", 1.0), ("</think>", 1.0), ("A", 0.6)]
    content = [{"token": own, "logprob": math.log(p), "top_logprobs": []} for own, p in rows]
    content[-1]["top_logprobs"] = [{"token": "B", "logprob": math.log(0.4)}]
    _, model = asked(completion("m", {"content": "<think>A?</think>A"}, {"content": content}))
    ((first, _),) = model.choose([ASK], ["Joe", "Sparky"])
    assert math.exp(first) == pytest.approx(0.6)


def test_a_prefix_of_the_answer_stands_before_the_options(asked):
    server, model = asked(likely(("A", 1.0)))
    model.choose([[*ASK, {"role": "assistant", "content": "I am"}]], ["Joe", "Sparky"])
    (message,) = server.requests[0].json["messages"]
    assert message["role"] == "user" and "I am ..." in message["content"]
    assert chosen("m", "AB", 1)["choices"][0]["message"]["content"] == "B"


def test_who_needs_likelihoods_is_told_that_a_service_has_none(asked):
    _, model = asked()
    with pytest.raises(UserError, match="'m' does not tell.*llm/openvino"):
        llm.must_score(model, "judge/objective")


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_beginning_that_is_repeated_is_taken_off_once(beginning, rest):
    found = module.continuation(beginning + rest, beginning)
    assert found == rest or not beginning.strip() or found.strip() in rest.strip()

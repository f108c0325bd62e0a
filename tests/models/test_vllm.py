"""llm/vllm against a server process that speaks vLLM's protocol (tests/servers/vllm.py).

vLLM itself is of use only with a GPU and is not installed here: the tests cover starting, stopping
and the protocol, not vLLM.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import torch

from scripts import backends
from scripts.backends.llm import Score, accept, vllm
from scripts.common.errors import UserError
from scripts.services import http_limits
from scripts.workflow.model_spec import ModelSpec
from tests.servers.scripted import Scripted, Step

ROOT = Path(__file__).resolve().parents[2]
COMMAND = f"{sys.executable} {ROOT / 'tests/servers/vllm.py'}"
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who are you?"}]
BEGUN = [*CHAT, {"role": "assistant", "content": "I am"}]


@pytest.fixture
def folder(tmp_path):
    """A folder that the server accepts as a model."""
    home = tmp_path / "model"
    home.mkdir()
    (home / "config.json").write_text("{}")
    return f"{home}"


@pytest.fixture
def serve(folder, monkeypatch):
    """Function (faults, options) -> the backend; all are stopped afterwards."""
    models = []

    def started(faults=None, **options):
        monkeypatch.setenv("FAKE_VLLM", json.dumps(faults or {}))
        options = {"weights": folder, "device": "cpu", "command": COMMAND, "startup": 30} | options
        models.append(vllm.load(**options))
        return models[-1]

    yield started
    for model in models:
        model.close()


def asked(model) -> dict:
    with urllib.request.urlopen(f"{model.address}/asked") as answer:
        return json.load(answer)


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def gone(pid: int) -> bool:
    until = time.monotonic() + 10
    while lives(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not lives(pid)


def test_contract(serve):
    accept(serve())


def test_each_chat_may_have_a_seed_and_the_server_says_its_context(serve):
    model = serve(context=321)
    assert model.context == 321 and model.count(["abc", "你"]) == [3, 3]
    model.generate([CHAT] * 2, max_tokens=7, seed=[5, 6], temperature=0.5)
    seeds = [request["seed"] for request in asked(model)["asked"] if "seed" in request]
    assert sorted(seeds) == [5, 6]


def test_requests_are_as_vllm_documents_them(serve, folder):
    model = serve(repetition_penalty=1.1, extra=["--enforce-eager"], gpu_memory=0.5, parallel=2)
    model.generate([CHAT], max_tokens=7, seed=5, temperature=0.5)
    model.generate([BEGUN, [*CHAT, {"role": "assistant", "content": ""}]], max_tokens=7)
    first, *others = asked(model)["asked"]
    assert first == {
        "path": "/v1/chat/completions",
        "model": folder,
        "messages": CHAT,
        "max_tokens": 7,
        "seed": 5,
        "temperature": 0.5,
        "top_p": 1.0,
        "top_k": 50,
        "min_p": 0.0,
        "repetition_penalty": 1.1,
        "add_generation_prompt": True,
        "continue_final_message": False,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    found = {request["continue_final_message"]: request for request in others}
    assert found[True]["messages"] == BEGUN and not found[True]["add_generation_prompt"]
    assert found[False]["messages"] == CHAT and found[False]["add_generation_prompt"]
    command = model.server.command
    for flag, value in (("--gpu-memory-utilization", "0.5"), ("--tensor-parallel-size", "2")):
        assert command[command.index(flag) + 1] == value
    assert "--enforce-eager" in command and command[command.index("--host") + 1] == "127.0.0.1"


def test_replies_keep_their_order_and_few_are_under_way_at_once(serve):
    model = serve({"busy": 0.05}, batch=4)
    chats = [[{"role": "user", "content": f"number {number}"}] for number in range(20)]
    replies = model.generate(chats, max_tokens=9)
    assert [reply.split(" {")[0] for reply in replies] == [f"number {n}" for n in range(20)]
    assert 2 <= asked(model)["most"] <= 4


def test_scores_are_those_of_the_continuation_after_the_chat(serve):
    model = serve()
    pairs = [(CHAT, "Paris"), (BEGUN, " Joe"), (CHAT, "巴黎"), (CHAT, "")]
    for (_, text), found in zip(pairs, model.score(pairs), strict=True):
        wanted = sum(-0.5 - (byte & 15) / 2 for byte in text.encode())
        assert found == Score(pytest.approx(wanted), len(text.encode()))
    prompts = [bytes(r["prompt"]).decode() for r in asked(model)["asked"] if "echo" in r]
    start = "<system>Be brief.<user>Who are you?<assistant>"
    assert sorted(prompts) == sorted([start + "Paris", start + "I am Joe", start + "巴黎"])


def test_an_empty_reply_is_an_empty_text(serve):
    assert serve().generate([[{"role": "user", "content": "say nothing"}]], 5) == [""]


def test_thoughts_are_no_part_of_a_reply(serve):
    model = serve(thinking=True)
    chat = [{"role": "user", "content": "<think>\nHm.\n</think>\n\nYes."}]
    assert model.generate([chat], 5)[0].startswith("Yes. {")
    assert asked(model)["asked"][0]["chat_template_kwargs"] == {"enable_thinking": True}


def test_a_prompt_that_does_not_fit_is_refused_with_the_servers_words(serve):
    model = serve(context=300)
    ten_minutes = [{"role": "user", "content": "and so he went on to speak " * 1500}]
    with pytest.raises(
        UserError, match="HTTP 400: .*maximum context length is 300 tokens.*shorten"
    ):
        model.generate([CHAT, ten_minutes], max_tokens=5)
    with pytest.raises(UserError, match="HTTP 400"):
        model.score([(ten_minutes, "Paris")])


def test_a_server_that_fails_for_a_while_is_asked_again(serve):
    model = serve({"fail": 3})
    assert len(model.generate([CHAT], max_tokens=5)) == 1
    assert len(asked(model)["asked"]) == 4


def test_a_server_that_goes_on_failing_is_given_up(serve):
    model = serve({"fail": 1000})
    with pytest.raises(UserError, match=r"HTTP 500: EngineCore .*asked 5 times\.(.|\n)*starting"):
        model.generate([CHAT], max_tokens=5)
    assert len(asked(model)["asked"]) == 5


def test_a_server_that_dies_later_leaves_its_last_words(serve, monkeypatch):
    monkeypatch.setattr(vllm, "TRIES", 0)
    model = serve()
    os.killpg(model.server.process.pid, signal.SIGKILL)
    with pytest.raises(
        UserError, match=r"cannot be reached any more(.|\n)*status -9(.|\n)*starting"
    ):
        model.generate([CHAT], max_tokens=5)


def test_a_server_that_does_not_start_leaves_its_last_words(serve, monkeypatch, tmp_path):
    monkeypatch.setattr(vllm.tempfile, "tempdir", f"{tmp_path}")
    with pytest.raises(UserError, match=r"did not start(.|\n)*status 3(.|\n)*No CUDA GPUs"):
        serve({"die": "RuntimeError: No CUDA GPUs are available"})
    assert not list(tmp_path.glob("vllm-*"))


def test_a_folder_that_is_no_model(serve, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"did not start(.|\n)*does not look like a model"):
        serve(weights=f"{tmp_path / 'empty'}")


def test_a_server_that_takes_too_long_is_stopped(serve, tmp_path):
    pid = tmp_path / "pid"
    with pytest.raises(UserError, match="did not answer within 2 s.*`startup`"):
        serve({"hold": 60, "child": f"{pid}"}, startup=2)
    assert gone(int(pid.read_text()))


def test_a_command_that_is_not_there(serve):
    with pytest.raises(UserError, match="the command 'no-such-vllm' cannot be run.*envs/vllm"):
        serve(command="no-such-vllm")


def test_the_server_and_its_children_end_when_it_is_closed_or_forgotten(serve, tmp_path, folder):
    for forget in (False, True):
        os.environ["FAKE_VLLM"] = json.dumps({"child": f"{tmp_path / 'pid'}"})
        model = vllm.load(weights=folder, device="cpu", command=COMMAND, startup=30)
        pids = [model.server.process.pid, int((tmp_path / "pid").read_text())]
        log = model.server.log
        assert all(map(lives, pids)) and log.exists()
        if forget:
            del model
            gc.collect()
        else:
            model.close()
        assert all(map(gone, pids)) and not log.exists()


@pytest.mark.parametrize("end", ["pass", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_the_server_ends_with_the_program(folder, end):
    program = (
        "from scripts.backends.llm import vllm\n"
        f"model = vllm.load({folder!r}, 'cpu', {COMMAND!r}, startup=30)\n"
        f"print(model.server.process.pid, flush=True)\n{end}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert gone(int(done.stdout))


def test_a_running_server_is_used_and_left_alone(serve, folder):
    own = serve()
    other = vllm.load(folder, address=f"{own.address}/v1/")
    assert other.generate([CHAT], max_tokens=5) == own.generate([CHAT], max_tokens=5)
    other.close()
    assert own.generate([CHAT], max_tokens=5)
    with pytest.raises(UserError, match=f"serves no model 'qwen'.*{folder}"):
        vllm.load("qwen", address=own.address)


def test_an_address_where_nobody_listens(monkeypatch):
    monkeypatch.setattr(vllm, "TRIES", 0)
    with pytest.raises(UserError, match="http://127.0.0.1:9 cannot be reached.*Is it running"):
        vllm.load("qwen", address="http://127.0.0.1:9")


def test_the_key_is_vllms_own_variable(serve, folder, monkeypatch):
    monkeypatch.setenv("VLLM_API_KEY", "a-secret-of-vllm")
    own = serve()
    (reply,) = own.generate([[{"role": "user", "content": "a-secret-of-vllm"}]], max_tokens=5)
    assert reply.startswith("[VLLM_API_KEY]")  # the server repeats what it is told
    monkeypatch.delenv("VLLM_API_KEY")
    with pytest.raises(UserError, match="HTTP 401.*VLLM_API_KEY"):
        vllm.load(folder, address=own.address)


@pytest.fixture
def says(monkeypatch):
    """Function (reply) -> a client of a running server that gives this reply to each chat."""
    monkeypatch.setattr(vllm, "TRIES", 0)
    servers = []

    def start(reply):
        models = {"object": "list", "data": [{"id": "m", "object": "model"}]}
        servers.append(Scripted(answer=lambda r: models if r.path.endswith("models") else reply))
        return vllm.load("m", address=servers[-1].address)

    yield start
    for server in servers:
        server.__exit__()


def chat(content) -> dict:
    return {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    "reply",
    [{"choices": None}, {"choices": []}, chat([1]), {"choices": [{"message": None}]}, [1], 5]
    + [Step(body=b"no JSON"), Step(body=b"[" * 100_000)],
    ids=range(8),
)
def test_a_reply_of_whatever_shape_is_told_in_a_sentence(says, reply):
    with pytest.raises(UserError, match="llm/vllm: the server of m .* answers what is no reply"):
        says(reply).generate([CHAT], max_tokens=5)


def test_a_good_reply_holds_no_key_and_no_half_of_a_letter(says, monkeypatch):
    monkeypatch.setenv("VLLM_API_KEY", "sk-canary-0123456789")
    model = says(chat("It is sk-canary-0123456789 \ud83d"))
    assert model.generate([CHAT], max_tokens=5) == ["It is [VLLM_API_KEY] "]


def test_a_reply_without_an_end_has_a_limit(says, monkeypatch):
    monkeypatch.setattr(http_limits, "TEXT", 1000)
    with pytest.raises(UserError, match="that is no answer"):
        says(chat("x" * 2000)).generate([CHAT], max_tokens=5)


def test_a_proxy_of_the_environment_is_not_asked(serve, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert serve().generate([CHAT], max_tokens=5)


def test_a_server_that_tells_no_likelihoods(serve):
    with pytest.raises(UserError, match="does not tell how likely a prompt's tokens are"):
        serve({"silent": True}).score([(CHAT, "Paris")])


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_started(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    spec = ModelSpec("llm", "vllm", {"weights": "no/such"})
    with pytest.raises(UserError, match="llm/vllm is to run on a GPU.*`device: cpu`"):
        backends.load(spec)
    with pytest.raises(UserError, match="the device 'cuda:1' is not known"):
        vllm.load("no/such", device="cuda:1")

"""A stand-in for vLLM's server, for tests: a real process that answers HTTP on 127.0.0.1.

`python tests/servers/vllm.py serve MODEL --host H --port P ...` speaks /health, /v1/models,
/v1/chat/completions, /v1/completions and /tokenize as far as scripts/backends/llm/vllm.py uses
them, with vLLM's own field names, and refuses what vLLM refuses. Its model has bytes as tokens,
each half a nat less likely per unit of its lower four bits, and answers with the last line of a
chat and the request's settings. GET /asked returns the requests received. The environment variable
FAKE_VLLM holds faults as JSON:

  die: print this and exit with status 3       hold: seconds before it is healthy
  fail: this many requests get HTTP 500        busy: seconds that a reply takes
  child: start a child and write its pid here  silent: no prompt log-probabilities
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FAULTS = json.loads(os.environ.get("FAKE_VLLM") or "{}")
ROLES = ("system", "user", "assistant")


class Refusal(Exception):
    """An HTTP status and its message."""


class State:
    asked: list[dict] = []
    failures = FAULTS.get("fail", 0)
    under_way = most = 0
    lock = threading.Lock()


def template(body: dict) -> list[int]:
    """The tokens of a chat: `<role>content` for each message."""
    goes_on = body.get("continue_final_message", False)
    opens = body.get("add_generation_prompt", True)
    if goes_on and opens:
        raise Refusal(400, "Cannot set both `continue_final_message` and `add_generation_prompt`.")
    messages = body["messages"]
    if any(message["role"] not in ROLES for message in messages):
        raise Refusal(400, "Unknown role.")
    if goes_on and messages[-1]["role"] != "assistant":
        raise Refusal(400, "The final message is not the assistant's.")
    text = "".join(f"<{message['role']}>{message['content']}" for message in messages)
    return list((text + ("<assistant>" if opens else "")).encode())


def fit(tokens: int, more: int) -> None:
    longest = OPTIONS.max_model_len
    if tokens + more > longest:
        raise Refusal(
            400,
            f"This model's maximum context length is {longest} tokens. However, you requested "
            f"{more} output tokens and your prompt contains {tokens} input tokens.",
        )


def logprob(token: int) -> float:
    return -0.5 - (token & 15) / 2


def tokenize(body: dict) -> dict:
    tokens = template(body) if "messages" in body else list(body["prompt"].encode())
    return {"count": len(tokens), "max_model_len": OPTIONS.max_model_len, "tokens": tokens}


def chat(body: dict) -> dict:
    fit(len(template(body)), body["max_tokens"])
    last = body["messages"][-1]
    manner = {key: body.get(key) for key in ("seed", "temperature", "continue_final_message")}
    text = f"{last['content'][-60:]} {json.dumps(manner)}"
    text = None if last["content"] == "say nothing" else text
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "1", "object": "chat.completion", "created": 0, "choices": [choice]}


def complete(body: dict) -> dict:
    prompt = body["prompt"]
    fit(len(prompt), body["max_tokens"])
    told = [None, *map(logprob, prompt[1:]), -0.1] if body["echo"] else [-0.1]
    logprobs = {"token_logprobs": told, "tokens": ["?"] * len(told)}
    logprobs = None if FAULTS.get("silent") else logprobs
    choice = {"index": 0, "text": "?", "logprobs": logprobs, "finish_reason": "length"}
    return {"id": "1", "object": "text_completion", "created": 0, "choices": [choice]}


WORK = {"/tokenize": tokenize, "/v1/chat/completions": chat, "/v1/completions": complete}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/health":
            return self.answer(503 if time.monotonic() < READY else 200, {})
        if self.path == "/v1/models":
            return self.checked(lambda: {"object": "list", "data": [model()]})
        if self.path == "/asked":
            return self.answer(200, {"asked": State.asked, "most": State.most})
        return self.answer(404, refusal(404, "Not Found"))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with State.lock:
            State.asked.append({"path": self.path, **body})
            State.under_way += 1
            State.most = max(State.most, State.under_way)
            failing = State.failures > 0
            State.failures -= failing
        time.sleep(FAULTS.get("busy", 0))
        with State.lock:
            State.under_way -= 1
        if failing:
            return self.answer(500, refusal(500, "EngineCore encountered an issue."))
        return self.checked(lambda: self.made(body))

    def made(self, body: dict) -> dict:
        if self.path not in WORK:
            raise Refusal(404, "Not Found")
        if body["model"] != OPTIONS.served_model_name:
            raise Refusal(404, f"The model `{body['model']}` does not exist.")
        return WORK[self.path](body) | {"model": body["model"]}

    def checked(self, work) -> None:
        key = os.environ.get("VLLM_API_KEY")
        if key and self.headers["Authorization"] != f"Bearer {key}":
            return self.answer(401, {"error": "Unauthorized"})
        try:
            found = work()
        except Refusal as error:
            return self.answer(error.args[0], refusal(*error.args))
        return self.answer(200, found)

    def answer(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status >= 500:
            self.send_header("retry-after-ms", "20")
        self.end_headers()
        self.wfile.write(data)


def model() -> dict:
    known = {"object": "model", "created": 0, "owned_by": "vllm"}
    return {"id": OPTIONS.served_model_name, **known, "max_model_len": OPTIONS.max_model_len}


def refusal(status: int, words: str) -> dict:
    kind = "BadRequestError" if status == 400 else "Error"
    return {"error": {"message": words, "type": kind, "param": None, "code": status}}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("action", choices=["serve"])
    parser.add_argument("model")
    parser.add_argument("--served-model-name", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--gpu-memory-utilization", type=float, default=0.9)
    parser.add_argument("--tensor-parallel-size", type=int, default=1)
    parser.add_argument("--max-model-len", type=int, default=4096)
    parser.add_argument("--enforce-eager", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    OPTIONS = options()
    READY = time.monotonic() + FAULTS.get("hold", 0)
    print("starting", *sys.argv[1:], flush=True)
    if not (Path(OPTIONS.model) / "config.json").exists():
        sys.exit(f"OSError: {OPTIONS.model} does not look like a model")
    if "die" in FAULTS:
        print(FAULTS["die"], flush=True)
        sys.exit(3)
    if "child" in FAULTS:
        child = subprocess.Popen(["sleep", "600"])
        Path(FAULTS["child"]).write_text(str(child.pid))
    ThreadingHTTPServer((OPTIONS.host, OPTIONS.port), Handler).serve_forever()

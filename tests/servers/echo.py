"""A stand-in for OpenAI's chat completions that echoes the caller's key wherever it can.

It answers like tests/servers/openai_paper.py, and like a judge if it gets WAV files. The first
TIMES times that something new is asked it fails, each time differently, with the key in the body
and headers: whole, in pieces, escaped, and so far back that the displayed excerpt cuts it.
Otherwise it answers, with the key in the text, in names and versions. Some judge requests are
always refused; while `hopeless` is set, a judge is redirected or unknown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from urllib.parse import quote

from scripts.services.errors import SHOWN
from scripts.services.keys import PIECE
from tests.servers.openai_paper import PaperModel, said, sentence
from tests.servers.scripted import Request, Step

TIMES = 40  # four of each fault
MARK = "echo-of-the-server"  # stands beside the key: where this is found, that would be


class Echo(PaperModel):
    def __init__(self):
        self.seen: set[bytes] = set()
        self.faults = 0
        self.hopeless = True
        super().__init__()

    def respond(self, request: Request):
        key = request.headers["Authorization"].removeprefix("Bearer ")
        digest = hashlib.sha256(request.body).digest()
        judge = b"input_audio" in request.body and b'"modalities"' not in request.body
        if judge and self.hopeless:
            return sent_on(key) if digest[0] % 2 else not_known(key)
        if judge and digest[0] % 5 == 0:
            return refusal(key)
        with self.lock:
            fails = digest not in self.seen and self.faults < TIMES
            self.seen.add(digest)
            self.faults += fails
            fault = FAULTS[self.faults % len(FAULTS)]
        if fails:
            return fault(key)
        good = score(request, digest[2]) if judge else super().respond(request)
        return Step(body=with_key(good, key), headers=headers(key))


def score(request: Request, lot: int) -> dict:
    return said(request.json["model"], f"A is livelier, my friend.\n[Scores]: ({3 + lot % 7}, 6)")


def with_key(reply: dict, key: str) -> dict:
    """A good reply with the key in its texts, names and version."""
    message = reply["choices"][0]["message"]
    for holder, name in ((message, "content"), (message.get("audio") or {}, "transcript")):
        if holder.get(name):
            told = f"my friend, {MARK} {pieces(key)} {key},"
            holder[name] = holder[name].replace("my friend", told).replace("words", told)
    reply |= {"model": f"{reply['model']}-{key}", "system_fingerprint": key, key: key}
    reply["usage"] |= {key: 3, f"{key}_details": {key: 1}}
    return reply


def headers(key: str) -> dict[str, str]:
    """Headers that contain the key, even where it is not allowed."""
    return {
        **{"X-Request-Id": key, "OpenAI-Organization": key, "WWW-Authenticate": f"Bearer {key}"},
        **{
            "Set-Cookie": f"the {key}@=1; Path={key}",
            "Content-Type": f"application/json; charset={key}",
        },
    }


def pieces(key: str) -> str:
    """The whole key, in pieces of PIECE + 1 characters that overlap by one."""
    return " ".join(key[place : place + PIECE + 1] for place in range(0, len(key) - PIECE, PIECE))


def behind(key: str) -> str:
    """The key so far back that the displayed text ends within it, before it is recognizable."""
    return f"{MARK} ".ljust(SHOWN - PIECE + 2, "-") + key


def error(words: str) -> dict:
    return {"error": {"message": words, "type": words, "code": words}}


def refusal(key: str) -> dict:
    """No answer because of a filter, with a reason."""
    reply = said(f"m-{key}", f"{MARK} {key}")
    reply["choices"][0] |= {"finish_reason": "content_filter"}
    reply["choices"][0]["message"]["refusal"] = f"{MARK}: {key} {pieces(key)}"
    return reply


def broken(key: str) -> dict:
    """An answer ended by a fault of the service."""
    reply = said(f"m-{key}", f"{MARK} {sentence(1, False)} {key}")
    choice = reply["choices"][0]
    choice |= {"finish_reason": key, "error": {"message": behind(key), "code": key}}
    return reply


FAULTS: tuple[Callable[[str], Step | dict], ...] = (
    lambda key: Step(500, headers(key), behind(key).encode()),
    lambda key: Step(429, {"Retry-After": key} | headers(key), error(f"{MARK} {key}")),
    lambda key: Step(429, {"Retry-After": "0"} | headers(key), error(behind(key))),
    lambda key: Step(503, headers(key), f"{MARK} {pieces(key)}".encode()),
    lambda key: Step(502, headers(key), (behind(quote(key, safe=""))).encode()),
    lambda key: Step(500, headers(key), json.dumps(error(f"{MARK} {json.dumps(key)}")).encode()),
    lambda key: Step(200, headers(key), f"<p>{MARK} {key}".encode()),
    lambda key: Step(200, headers(key), error(f"{MARK} {key}")),
    lambda key: Step(200, headers(key), {"detail": behind(key), key: key}),
    broken,
)


def sent_on(key: str) -> Step:
    return Step(302, headers(key) | {"Location": f"http://127.0.0.1:1/{MARK}?key={key}"})


def not_known(key: str) -> Step:
    return Step(401, headers(key), error(behind(key)))

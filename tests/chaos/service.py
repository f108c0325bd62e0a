"""A judge's service that fails by plan, and records whom it answered and what it charged."""

from __future__ import annotations

import hashlib
import json
import random
import select
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

from scripts.paper.report.published import PAPER_METRICS
from scripts.services import processes
from tests.chaos.backends.judge.priced import ASKER, FIRST_WAIT
from tests.chaos.plan import CHARGED, SILENT, USELESS
from tests.chaos.project import AT_ONCE, PRICES, TIMEOUT
from tests.servers import openai_judge
from tests.servers.gemini import Asked
from tests.servers.scripted import Handler, Request, Step

SECONDS = 6.0  # that all answers take together, however many there are
HANGS = 1  # times that the service hangs, a seed: it takes TIMEOUT seconds
RETRY = {"429 in 1 s": "1", "429 in 0 s": "0", "429 in -5 s": "-5", "429 soon": "soon"}


@dataclass
class Entry:
    """A request and its outcome: "answered" is a good answer sent completely to a client that was
    still connected, "left" one for which no client was waiting any more."""

    mark: str
    asker: int
    begun: float
    fault: str | None
    ended: float | None = None
    end: str = ""
    usd: float = 0.0


class Service(openai_judge.Chat):
    """`faults(mark)` are the faults of a call; `wanted` says how often calls with the same words
    are legitimate (the probe "again" repeats itself)."""

    def __init__(
        self,
        calls: int,
        faults: Callable[[str], list[str]] = lambda mark: [],
        wanted: Counter[str] | None = None,
        seconds: float = SECONDS,
    ):
        self.faults, self.wanted = faults, wanted
        self.books: list[Entry] = []
        self.wrong: list[str] = []
        self.times: Counter[str] = Counter()
        self.hangs = 0
        self.mean, self.dice = seconds * AT_ONCE / calls, random.Random(calls)
        super().__init__()

    def handler(self) -> type[Handler]:
        return Answering

    def count(self) -> int:
        """The calls that were answered."""
        with self.lock:
            return sum(entry.end == "answered" for entry in self.books)

    def enter(self, request: Request) -> tuple[Entry, Asked]:
        asked = openai_judge.read(request)
        mark = mark_of(request.json)
        asker = int(request.headers[ASKER])
        with self.lock:
            faults, number = self.faults(mark), self.times[mark]
            self.times[mark] += 1
            fault = faults[number] if number < len(faults) else None
            if fault == "hang":
                self.hangs += 1
                fault = fault if self.hangs <= HANGS else "reset"
            entry = Entry(mark, asker, time.monotonic(), fault)
            self.check(entry)
            self.books.append(entry)
        return entry, asked

    def check(self, entry: Entry) -> None:
        """No process sends a call that another living one has in flight, or retries sooner than its
        own back-off or the service allows."""
        if self.wanted is None:
            return
        same = [other for other in self.books if other.mark == entry.mark]
        waiting = [other for other in same if other.ended is None and other.asker != entry.asker]
        alive = [other for other in waiting if processes.born(other.asker)]
        if len(alive) >= self.wanted[entry.mark]:
            self.wrong.append(f"{entry.mark} is asked by {entry.asker} and by {alive[0].asker}")
        own = [other for other in same if other.asker == entry.asker and other.ended]
        if own and own[-1].fault and self.wanted[entry.mark] == 1:
            gap, least = entry.begun - own[-1].ended, rest(own[-1].fault)
            if gap < least:
                self.wrong.append(f"{entry.mark} is asked {gap:.3f} s after '{own[-1].fault}'")

    def leave(self, entry: Entry, end: str, usd: float) -> None:
        with self.lock:
            entry.ended, entry.end, entry.usd = time.monotonic(), end, usd

    def hold(self, fault: str | None) -> float:
        if fault == "hang":
            return 3 * TIMEOUT
        with self.lock:
            return self.dice.uniform(0.5, 1.5) * self.mean

    def said(self, entry: Entry, asked: Asked) -> tuple[Step, float]:
        """The reply to send and the amount to charge."""
        good = self.reply(asked, words_of(entry.mark))
        usd, fault = price_of(good["usage"]), entry.fault
        if fault is None:
            return Step(body=good), usd
        if fault in RETRY:
            return Step(429, {"Retry-After": RETRY[fault]}, {"error": "too many"}), 0.0
        if fault.startswith("429 at a"):
            when = formatdate(time.time() + (-900 if "past" in fault else 2), usegmt=True)
            return Step(429, {"Retry-After": when}, {"error": "too many"}), 0.0
        if fault in SILENT:
            part = {"prompt_tokens": good["usage"]["prompt_tokens"]}
            return Step(body=good | {"usage": part if fault == "half usage" else None}), usd
        useless = {
            "length": (words_of(entry.mark)[:40], "length"),
            "refusal": ("I would rather not.", "content_filter"),
            "no scores": ("Both are fine.", "stop"),
        }
        if fault in USELESS:
            reply = self.reply(asked, *useless[fault])
            return Step(body=reply), price_of(reply["usage"])
        steps = {
            "500": Step(500, body={"error": "it broke"}),
            "503 in 0 s": Step(503, {"Retry-After": "0"}, {"error": "busy"}),
            "reset": Step(end="reset"),
            "cut": Step(body=good, end="cut"),
            "chunk": Step(body=good, end="chunk"),
            "hang": Step(body=good),
            "no JSON": Step(body=b"<html>it broke"),
            "error under 200": Step(body={"error": {"message": "busy"}}),
        }
        return steps[fault], usd if fault in CHARGED else 0.0


class Answering(Handler):
    owner: Service

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        entry, asked = self.owner.enter(Request(self.path, self.headers, body))
        step, usd = self.owner.said(entry, asked)
        good = entry.fault is None or entry.fault in SILENT
        if not self.stays(self.owner.hold(entry.fault)):
            self.owner.leave(entry, "left", usd)
            self.close_connection = True
            return
        self.owner.leave(entry, "" if good else entry.fault, usd)
        try:
            self.send(step)
        except OSError:
            good = False
        self.owner.leave(entry, "answered" if good else entry.fault or "left", usd)

    def stays(self, seconds: float) -> bool:
        """Whether the client stays connected for that many seconds; returns once it does not."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        try:
            return not readable or bool(self.connection.recv(1, socket.MSG_PEEK))
        except OSError:
            return False


def rest(fault: str) -> float:
    """The minimum seconds between a fault and the same call's next attempt."""
    if fault in USELESS or fault in SILENT:
        return 0.0
    return 1.0 if fault == "429 in 1 s" else FIRST_WAIT / 2


def mark_of(request: dict) -> str:
    """The identity of a call, without the token limit, which rises after a truncated reply."""
    return hashlib.sha256(json.dumps(request["messages"]).encode()).hexdigest()[:16]


def words_of(mark: str) -> str:
    """The good answer to a call: it depends only on the request."""
    scores = bytes.fromhex(mark)
    entries = {
        name: {
            "rationale": f"A is livelier ({mark}).",
            "score_a": 1 + scores[number] % 10,
            "score_b": 1 + scores[-1 - number] // 10 % 10,
        }
        for number, name in enumerate(PAPER_METRICS)
    }
    return json.dumps(entries)


def price_of(usage: dict) -> float:
    """The cost in dollars of the usage that a reply states."""
    heard = usage["prompt_tokens_details"]["audio_tokens"]
    used = (usage["prompt_tokens"] - heard, heard, usage["completion_tokens"])
    return sum(n * PRICES[unit] for n, unit in zip(used, PRICES, strict=True))

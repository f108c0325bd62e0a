"""An HTTP server on 127.0.0.1 that follows a test's script, one step per request, including
behaviour that no proper server shows.

`Scripted(steps, answer)`: the first requests get `steps`, one each, in order of arrival, all later
ones `answer(request)`. A step or an answer is a JSON value (sent with HTTP 200) or a `Step`.
`requests` holds the requests received, `most` the maximum number in flight at once.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    path: str
    headers: Message  # whose names have no case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Step:
    """How one request is answered: after `hold` seconds, with `status`, `headers` and `body` (JSON,
    or raw bytes); or `end`: "reset" (the connection is reset before any answer), "cut" (half of the
    body is sent), "chunk" (a chunk is announced and half of it sent)."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    hold: float = 0.0
    end: str | None = None


class Scripted:
    def __init__(
        self,
        steps: Iterable[Any] = (),
        answer: Callable[[Request], Any] = lambda request: {},
        port: int = 0,
    ):
        self.steps, self.answer = list(steps), answer
        self.requests: list[Request] = []
        self.most = self.under_way = 0
        self.lock = threading.Lock()
        self.server = Server(("127.0.0.1", port), type("Bound", (self.handler(),), {"owner": self}))
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()

    def handler(self) -> type[Handler]:
        """The answer to a request."""
        return Handler

    def step(self, request: Request) -> Step:
        with self.lock:
            self.requests.append(request)
            step = self.steps.pop(0) if self.steps else None
        found = self.answer(request) if step is None else step
        return found if isinstance(found, Step) else Step(body=found)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address) -> None:
        """Clients that disconnect or are killed are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: Scripted

    def do_POST(self):
        owner = self.owner
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with owner.lock:
            owner.under_way += 1
            owner.most = max(owner.most, owner.under_way)
        try:
            step = owner.step(Request(self.path, self.headers, body))
            time.sleep(step.hold)
        finally:
            with owner.lock:
                owner.under_way -= 1
        self.send(step)

    do_GET = do_POST

    def send(self, step: Step) -> None:
        data = step.body if isinstance(step.body, bytes) else json.dumps(step.body).encode()
        if step.end == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        self.send_response(step.status)
        kind = {"Content-Type": "application/json"} | step.headers
        for name, value in kind.items():
            self.send_header(name, value)
        if step.end == "chunk":
            self.send_header("Transfer-Encoding", "chunked")
            data = b"%x\r\n" % len(data) + data[: len(data) // 2]
        else:
            self.send_header("Content-Length", str(len(data)))
            data = data[: len(data) // 2] if step.end == "cut" else data
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = step.end is not None

    def log_message(self, *_) -> None:
        pass

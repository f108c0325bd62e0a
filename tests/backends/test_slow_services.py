"""Services that never finish: a byte now and then, or messages without end."""

from __future__ import annotations

import base64
import hashlib
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scripts import backends
from scripts.common.errors import UserError
from scripts.services import http_limits
from scripts.workflow.model_spec import ModelSpec
from tests.backends.conftest import ASK
from tests.servers.speech import KEY, SPEECH, load

ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
GREETING = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: {}\r\n\r\n"
)


def header(send, key: str) -> None:
    send(b"HTTP/1.1 200 OK\r\n")
    for _ in range(600):
        time.sleep(0.05)
        send(b"X: a\r\n")


def frame(send, key: str) -> None:
    """A message of 100 MB, byte by byte."""
    digest = hashlib.sha1(f"{key}{ACCEPT}".encode()).digest()
    send(GREETING.format(base64.b64encode(digest).decode()).encode())
    send(bytes([0x82, 127]) + (10**8).to_bytes(8, "big"))
    for _ in range(600):
        time.sleep(0.05)
        send(b"a")


def flood(send, key: str) -> None:
    """A message of 2**40 bytes, as fast as possible."""
    digest = hashlib.sha1(f"{key}{ACCEPT}".encode()).digest()
    send(GREETING.format(base64.b64encode(digest).decode()).encode())
    send(bytes([0x82, 127]) + (2**40).to_bytes(8, "big"))
    while True:
        send(b"a" * 65536)


@pytest.fixture
def never(monkeypatch, services):
    """Function (the service's behaviour) -> its address."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    services(timeout=1, tries=0, resample=1)
    servers = []

    def start(answer) -> str:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                key = ""
                for line in iter(self.rfile.readline, b"\r\n"):
                    name, _, value = line.decode().partition(":")
                    key = value.strip() if name.lower() == "sec-websocket-key" else key
                answer(self.connection.sendall, key)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

            def handle_error(self, *_) -> None:
                """A disconnected client is what is tested."""

        servers.append(Server(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class At:
    def __init__(self, address: str):
        self.address = address


def ours() -> set[threading.Thread]:
    """The threads that work for a call."""
    return {thread for thread in threading.enumerate() if "(work)" in thread.name}


@pytest.mark.parametrize("answer", [header, frame], ids=lambda answer: answer.__name__)
@pytest.mark.parametrize("capability", ["tts", "asr"])
def test_a_service_that_never_ends_is_left_in_time_by_its_threads_too(never, answer, capability):
    backend = load(capability, "dashscope", At(never(answer)))
    with pytest.raises((ValueError, UserError), match="no answer in time"):
        if capability == "asr":
            backend.transcribe([SPEECH])
        else:
            backend.speak([("Hello.", backend.fixed_voice("English"), "English")])
    for thread in ours():
        thread.join(20)
    assert not ours()


def pings(send, key: str) -> None:
    """Keep-alives and nothing else, not even an answer to the close."""
    digest = hashlib.sha1(f"{key}{ACCEPT}".encode()).digest()
    send(GREETING.format(base64.b64encode(digest).decode()).encode())
    for _ in range(600):
        time.sleep(0.05)
        send(bytes([0x89, 0]))


def test_a_session_that_never_ends_is_left_soon_after_its_time(never):
    options = {"address": f"{never(pings)}/v1", "key": "DASHSCOPE_API_KEY"}
    spec = ModelSpec("dialogue", "openai_realtime", options)
    model, begun = backends.load(spec), time.monotonic()
    (answer,) = model.reply([ASK])
    assert "no answer in time" in answer.reason and time.monotonic() - begun < 7


def test_a_message_without_an_end_takes_no_more_than_the_limit(never, services, monkeypatch):
    services(timeout=60)
    monkeypatch.setattr(http_limits, "TEXT", http_limits.MB)
    backend = load("asr", "dashscope", At(never(flood)))
    with pytest.raises(UserError, match="more than 1 MB: that is no answer"):
        backend.transcribe([SPEECH])


def test_a_thread_that_hangs_keeps_no_process_from_ending():
    program = (
        "import asyncio, time\n"
        "from scripts.services.daemon_threads import DaemonThreadPool\n"
        "async def main():\n"
        "    asyncio.get_running_loop().set_default_executor(DaemonThreadPool())\n"
        "    assert await asyncio.to_thread(sum, [1, 2]) == 3\n"
        "    asyncio.create_task(asyncio.to_thread(time.sleep, 3600))\n"
        "    await asyncio.sleep(0.05)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", program], cwd=root, timeout=60, check=True)

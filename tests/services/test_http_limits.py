"""Bodies of any size and shape: every reader has a limit."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import threading
import tracemalloc
import zlib

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.backends.llm import openai
from scripts.common import json_path
from scripts.services import http_limits
from scripts.services.errors import CallError
from tests.servers.scripted import Scripted, Step
from tests.services.conftest import GOOD, KEY, states

REPLY = {"model": "m", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}


def packed(size: int, level: int = 9) -> bytes:
    """A gzip body of `size` zeros."""
    zipped = zlib.compressobj(level, zlib.DEFLATED, 31)
    pieces = [zipped.compress(b"\0" * http_limits.MB) for _ in range(size // http_limits.MB)]
    return b"".join(pieces) + zipped.flush()


def read(pieces, encoding="", limit=http_limits.MB, cut=False) -> bytes:
    body = http_limits.Body(encoding, limit, cut)
    return b"".join(plain for piece in pieces for plain in body.take(piece))


@given(st.lists(st.binary(max_size=200), max_size=6), st.sampled_from(["", "gzip", "deflate"]))
def test_what_is_within_the_limit_comes_whole(pieces, encoding):
    whole = b"".join(pieces)
    pack = {"": lambda data: data, "gzip": gzip.compress, "deflate": zlib.compress}[encoding]
    sent = pack(whole)
    assert read([sent[:7], sent[7:]], encoding, limit=max(len(whole), 1)) == whole


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_what_is_above_it_is_a_fault_of_the_service(encoding):
    sent = packed(4 * http_limits.MB) if encoding else b"0" * (http_limits.MB + 1)
    with pytest.raises(CallError, match="more than 1 MB: that is no answer") as error:
        read([sent], encoding)
    assert error.value.kind == "transient"
    assert len(read([sent], encoding, cut=True)) == http_limits.ERROR


def test_a_bomb_takes_no_more_memory_than_the_limit():
    bomb = packed(200 * http_limits.MB)
    assert len(bomb) < http_limits.MB
    tracemalloc.start()
    with pytest.raises(CallError):
        read([bomb], "gzip", limit=8 * http_limits.MB)
    assert tracemalloc.get_traced_memory()[1] < 20 * http_limits.MB
    tracemalloc.stop()


def empty() -> bytes:
    """The start of a gzip stream, then empty blocks."""
    zipped = zlib.compressobj(9, zlib.DEFLATED, 31)
    begun = zipped.compress(b"") + zipped.flush(zlib.Z_SYNC_FLUSH)
    return begun + b"\0\0\0\xff\xff" * (http_limits.MB // 5)


@pytest.mark.parametrize(
    "first, more",
    [(gzip.compress(b"{}"), b"x" * http_limits.MB), (empty(), None)],
    ids=["behind the end", "empty blocks"],
)
def test_packed_bytes_that_come_to_nothing_have_an_end(first, more):
    """What follows the end of what was packed was kept in memory, and blocks with nothing in them
    came for ever."""
    pieces = [first, *[more or b"\0\0\0\xff\xff" * (http_limits.MB // 5)] * 3]
    with pytest.raises(CallError, match="more than 1 MB"):
        read(pieces, "gzip")


@pytest.mark.parametrize("encoding, data", [("gzip", b"no"), ("br", b"x"), ("gzip, gzip", b"x")])
def test_what_cannot_be_unpacked_is_a_fault_of_the_service(encoding, data):
    with pytest.raises(CallError, match="unpacked|packed as"):
        read([data], encoding)


def gzipped(body: bytes, status: int = 200) -> Step:
    return Step(status, {"Content-Encoding": "gzip"}, body)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(http_limits, "TEXT", http_limits.MB)


@pytest.mark.parametrize("status", [200, 500])
def test_our_own_requests_have_a_limit(served, small, status):
    server, client, ask = served(
        [gzipped(packed(40 * http_limits.MB), status), Step(body=b" " * 2**21)]
    )
    server.steps.append(gzipped(gzip.compress(json.dumps(GOOD).encode())))
    assert ask(1)[0].value == "hi" and states(client) == {"answered": 1, "transient": 2}


@pytest.mark.parametrize("status", [200, 500])
def test_requests_of_openais_sdk_have_it_too(services, small, monkeypatch, status):
    monkeypatch.setenv(KEY, "key")
    steps = [gzipped(packed(40 * http_limits.MB), status), Step(status, body=b" " * 2**21)]
    steps.append(gzipped(gzip.compress(json.dumps(REPLY).encode())))
    with Scripted(steps) as server:
        model = openai.load(model="m", address=f"{server.address}/v1", key=KEY)
        assert model.generate([[{"role": "user", "content": "Hello?"}]], 8) == ["hi"]
        words = model.client.store.db.execute("SELECT words FROM attempts").fetchall()
        assert len(words) == 3 and ("more than 1 MB" in words[0][0]) == (status == 200)


def test_requests_of_a_client_that_blocks_have_a_limit_and_a_time():
    clock = [0.0]

    def body():
        for _ in range(20):
            clock[0] += 1
            yield b"x" * 1000

    def answered(request):
        return httpx.Response(200, content=body())

    def client(limit: float) -> httpx.Client:
        hook = http_limits.limited_in_thread("tts/x", limit, clock=lambda: clock[0])
        hooks = {"response": [hook]}
        return httpx.Client(transport=httpx.MockTransport(answered), event_hooks=hooks)

    assert len(client(60).get("http://x").content) == 20_000
    with pytest.raises(TimeoutError):
        client(5).get("http://x")


def test_a_websocket_is_metered(monkeypatch):
    monkeypatch.setattr(http_limits, "SOUND", 1000)
    meter = http_limits.Meter("tts/x")
    meter.add(600)
    with pytest.raises(CallError, match="that is no answer"):
        meter.add(600)


@pytest.mark.parametrize(
    "said",
    ["[" * 100_000, '{"a": 1', ""],
    ids=["deep", "half", "nothing"],
)
def test_what_is_no_json_is_told_as_such(said):
    with pytest.raises(json.JSONDecodeError):
        json_path.loads(said)


def test_what_is_no_number_is_none_and_the_rest_is_kept():
    said = '{"text": "hi", "a": NaN, "b": [1, -Infinity, 1.5], "c": %s, "d": -7}' % ("9" * 6000)
    kept = {"text": "hi", "a": None, "b": [1, None, 1.5], "c": None, "d": -7}
    assert json_path.loads(said) == kept


@pytest.mark.parametrize("said", [b"NaN", b"9" * 6000, b"[" * 100_000, b'"\xff'])
def test_a_service_that_says_it_is_asked_again(served, said):
    server, client, ask = served([Step(body=said)])
    assert ask(1)[0].value == "hi" and states(client) == {"answered": 1, "transient": 1}


def test_an_endless_body_is_left_after_the_limit():
    async def endless():
        while True:
            yield b"x" * 65536

    async def all_of() -> None:
        async for _ in http_limits.unpacked(endless(), http_limits.Body("", http_limits.MB)):
            pass

    with pytest.raises(CallError):
        asyncio.run(all_of())


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 5000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10**6 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
    ],
    ids=["many headers", "a long header", "no header", "no HTTP"],
)
def test_an_answer_that_is_no_http_is_asked_for_again(served, services, head):
    """aiohttp tells of such with status 400, as if the service had refused the request."""
    services(tries=0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, client, ask = served()
        client.address = f"http://127.0.0.1:{server.getsockname()[1]}"

        def talk() -> None:
            line, _ = server.accept()
            line.recv(65536)
            with contextlib.suppress(OSError):
                line.sendall(head)
            line.close()

        threading.Thread(target=talk, daemon=True).start()
        assert "the service failed" in ask(1)[0].reason
    assert client.store.db.execute("SELECT state FROM attempts").fetchall() == [("transient",)]

"""HTTP requests whose response bodies are limited in size, by the kind of answer expected.

A service may send more than memory holds, or a small body that decompresses to that much. Bodies
are read in pieces and decompressed here; exceeding the limit is an error of the service.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from scripts.common.json_path import loads
from scripts.services import errors
from scripts.services.errors import CallError

MB = 1 << 20
TEXT, SOUND = 16 * MB, 160 * MB  # bytes of an answer, by its kind
SLACK = MB // 16  # bytes by which a compressed body may exceed its content
ERROR = 1 * MB  # bytes of an error response that are read
SPEAKS = ("tts", "dialogue", "duplex")  # capabilities whose answers are audio
WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 47}  # zlib's wbits for each Content-Encoding


def most(service: str) -> int:
    """The most bytes of an answer of capability/backend."""
    return SOUND if service.partition("/")[0] in SPEAKS else TEXT


class Meter:
    """Counts the bytes received over a websocket; CallError above the limit."""

    def __init__(self, service: str):
        self.limit = self.left = most(service)

    def add(self, count: int) -> None:
        """Count `count` more bytes."""
        self.left -= count
        if self.left < 0:
            raise _too_much(self.limit)


def limited(service: str):
    """A response hook of an asynchronous httpx client, of any version, that decompresses bodies
    within the limit."""

    async def hook(response: Any) -> None:
        body, pieces = _body_of(response, service), response.stream
        stream: Any = _kind(pieces, "AsyncByteStream")

        class Through(stream):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                async for piece in unpacked(pieces, body):
                    yield piece

            async def aclose(self) -> None:
                await pieces.aclose()

        response.stream = Through()

    return hook


def limited_in_thread(service: str, seconds: float, clock: Callable[[], float] = time.monotonic):
    """As `limited`, for a blocking client; no body is read for longer than `seconds`."""

    def hook(response: Any) -> None:
        body, pieces, until = _body_of(response, service), response.stream, clock() + seconds
        stream: Any = _kind(pieces, "SyncByteStream")

        class Through(stream):
            def __iter__(self) -> Iterator[bytes]:
                for piece in pieces:
                    if clock() > until:
                        raise TimeoutError
                    yield from body.take(piece)
                    if body.full:
                        return

            def close(self) -> None:
                pieces.close()

        response.stream = Through()

    return hook


def _body_of(response: Any, service: str) -> Body:
    encoding = response.headers.pop("Content-Encoding", "")
    return Body(encoding, most(service), cut=response.status_code != 200)


def _kind(stream: Any, name: str) -> type:
    return next(base for base in type(stream).__mro__ if base.__name__ == name)


async def post(
    session: Any, url: str, body: bytes, headers: Mapping[str, str], service: str
) -> dict[str, Any]:
    """POST `body` with an aiohttp session that decompresses nothing; returns the JSON response.

    Redirects are not followed: the body and the key are for this address only.
    """
    async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
        if 300 <= response.status < 400:
            place = response.headers.get("Location", "nowhere")
            raise CallError("fatal", f"it sends us on to {place}, which nobody allowed")
        good = response.status == 200
        body_of = Body(response.headers.get("Content-Encoding", ""), most(service), cut=not good)
        pieces = unpacked(response.content.iter_any(), body_of)
        said = b"".join([piece async for piece in pieces])
        text = said.decode("utf-8-sig", errors="replace")
        if not good:
            raise errors.by_status(response.status, response.headers, text)
    try:
        found = loads(said.decode("utf-8-sig"))
    except ValueError as error:
        raise CallError("transient", "what came back is no JSON", raw=text[:ERROR]) from error
    if not isinstance(found, dict) or found.get("error"):
        words = f"an error under HTTP 200: {errors.short(text)}"
        raise CallError("transient", words, raw=text[:ERROR])
    return found


class Body:
    """Decompresses a body. Above `limit` bytes, compressed or not, it raises CallError; with `cut`,
    for error responses, it stops at ERROR bytes and is `full`."""

    def __init__(self, encoding: str, limit: int, cut: bool = False):
        self.limit, self.cut, self.full = limit, cut, False
        self.left = ERROR if cut else limit
        self.packed = self.left + SLACK
        self.unpack = _unpacker(encoding)

    def take(self, piece: bytes) -> Iterator[bytes]:
        """The next piece of the body, decompressed."""
        self.packed -= len(piece)
        while piece and not self.full:
            plain, piece = self.unpack(piece, min(self.left + 1, MB))
            if len(plain) > self.left:
                if not self.cut:
                    raise _too_much(self.limit)
                plain, self.full = plain[: self.left], True
            self.left -= len(plain)
            yield plain
        if self.packed < 0 and not self.cut:  # it may decompress to nothing, for ever
            raise _too_much(self.limit)
        self.full = self.full or self.packed < 0


async def unpacked(pieces: AsyncIterator[bytes], body: Body) -> AsyncIterator[bytes]:
    """The decompressed pieces of a body."""
    async for piece in pieces:
        for plain in body.take(piece):
            yield plain
        if body.full:
            return


def _too_much(limit: int) -> CallError:
    return CallError("transient", f"it sends more than {limit / MB:g} MB: that is no answer")


def _unpacker(encoding: str):
    """Function (bytes, limit) -> (decompressed bytes, remaining compressed bytes)."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return lambda data, limit: (data, b"")
    if encoding not in WINDOWS:
        raise CallError(
            "transient", f"its answer is packed as '{encoding}', which was not asked for"
        )
    zipped = zlib.decompressobj(WINDOWS[encoding])

    def unpack(data: bytes, limit: int) -> tuple[bytes, bytes]:
        if zipped.eof:  # trailing bytes are not part of it, and would pile up
            return b"", b""
        try:
            plain = zipped.decompress(data, limit)
        except zlib.error as error:
            raise CallError("transient", f"its answer cannot be unpacked ({error})") from error
        return plain, zipped.unconsumed_tail

    return unpack

"""Request bodies with audio, made by an SDK once and filled without it.

An SDK checks and copies a request several times, and encodes each WAV file again. So it makes each
shape of request once, with short placeholders for texts and audio; each call replaces them with
bytes that are already encoded.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from scripts.common.audio import Sound

if TYPE_CHECKING:
    import httpx

MEMORY = 128 * 2**20  # bytes of encoded audio to keep


class Form:
    """The body of a request with gaps.

    Each of `gaps` must occur exactly once in `body`, else ValueError; they are filled in the order
    given.
    """

    def __init__(self, body: bytes, gaps: Sequence[bytes]):
        if any(body.count(gap) != 1 for gap in gaps):
            raise ValueError(f"a gap does not stand just once in {body!r}")
        self.order = sorted(range(len(gaps)), key=lambda i: body.index(gaps[i]))
        self.pieces = []
        for i in self.order:
            piece, _, body = body.partition(gaps[i])
            self.pieces.append(piece)
        self.end = body

    def filled(self, fills: Sequence[bytes]) -> bytes:
        """The body with its gaps filled."""
        both = zip(self.pieces, (fills[i] for i in self.order), strict=True)
        return b"".join([*(part for pair in both for part in pair), self.end])


class Encoded:
    """Sounds as JSON-encoded WAV files, each read and encoded once.

    The most recently used are kept, up to `limit` bytes: calls about the same pair come together.
    """

    def __init__(self, encode: Callable[[bytes], bytes], limit: int = MEMORY):
        self.encode, self.limit = encode, limit
        self.kept: OrderedDict[str, bytes] = OrderedDict()
        self.size = 0

    def get(self, key: str, sound: Sound, seconds: float | None) -> bytes:
        """The first `seconds` of a sound, or all of it (None); `key` identifies it."""
        if key not in self.kept:
            self.kept[key] = self.encode(sound.wav(seconds))
            self.size += len(self.kept[key])
            while self.size > self.limit and len(self.kept) > 1:
                self.size -= len(self.kept.popitem(last=False)[1])
        self.kept.move_to_end(key)
        return self.kept[key]


def escaped(text: str) -> bytes:
    """A text escaped for JSON, without the quotation marks, in UTF-8."""
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()


def recorded(ask: Callable[[httpx.Client], Any]) -> httpx.Request:
    """The request that an SDK would send: `ask` makes it with a client that sends nothing."""
    import httpx

    seen = []

    class Record(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            request.read()
            seen.append(request)
            return httpx.Response(200, json={})

    with httpx.Client(transport=Record()) as client:
        ask(client)
    (request,) = seen
    return request

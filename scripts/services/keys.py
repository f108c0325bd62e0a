"""Redacts the keys of services from all text that servers and SDKs produce.

A server may echo its request, and an SDK may show it, so everything they say passes through here
before it is printed, logged or stored, and before it is truncated: half a key would not be
recognised. Fragments of a key are redacted as well, in either case, in base64 or hexadecimal, and
escaped as in JSON, HTML or URLs. So are log records of packages (aiohttp logs cookies that it
cannot parse) and the traceback of a crash.
"""

from __future__ import annotations

import base64
import functools
import html
import json
import logging
import re
import sys
import threading
import traceback
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

PIECE = 8  # characters: a fragment this long is as secret as the whole key
LOWER = {capital: capital + 32 for capital in range(ord("A"), ord("Z") + 1)}
ESCAPE = re.compile(r"\\+(?:u00|x)([0-9a-fA-F]{2})")


class Form(NamedTuple):
    """One encoding of a key, in lower case, and the length of a fragment in it."""

    text: str
    piece: int

    def cut(self, size: int, step: int = 1) -> set[str]:
        return {self.text[at : at + size] for at in range(0, len(self.text) - size + 1, step)}


class Known(NamedTuple):
    """A key's placeholder, its encodings, and substrings of which every fragment contains one."""

    place: str
    forms: list[Form]
    signs: list[bytes]


_known: dict[str, Known] = {}


def learn(key: str, name: str) -> None:
    """Redact the key `name` from every text from now on.

    A key shorter than a fragment is the placeholder of a local server ("EMPTY", "x"), not a secret,
    and redacting it would damage ordinary text.
    """
    _guard()
    if len(key) >= PIECE:
        forms = [form for form in _written(key) if len(form.text) >= form.piece]
        # Half a fragment at every (half + 1)th place: every fragment contains one of them.
        cuts = [form.cut(form.piece // 2, form.piece // 2 + 1) for form in forms]
        signs = sorted({sign.encode("utf-8", "ignore") for cut in cuts for sign in cut})
        _known[key] = Known(f"[{name}]", forms, signs)


def cleaned(found: Any) -> Any:
    """A text, or JSON with all its texts, redacted."""
    if isinstance(found, dict):
        return {cleaned(name): cleaned(value) for name, value in found.items()}
    if isinstance(found, list):
        return [cleaned(value) for value in found]
    if not isinstance(found, str) or not _known:
        return found
    found = _cleaned(found)
    for sign, read in (("%", unquote), ("&#", html.unescape), ("\\", _unescaped)):
        if sign in found:
            plain = read(found)
            bare = _cleaned(plain)
            found = found if bare == plain else bare
    return found


@functools.cache
def _guard() -> None:
    """Redact what others print, too: SDKs log messages that they cannot parse, and tracebacks show
    error texts."""
    make = logging.getLogRecordFactory()

    def record(*given: Any, **named: Any) -> logging.LogRecord:
        found = make(*given, **named)
        try:
            words = found.getMessage()
        except (TypeError, ValueError):  # its arguments do not match the format
            words = f"{found.msg} {found.args}"
        found.msg, found.args = cleaned(words), ()
        if found.exc_info:
            found.exc_text = cleaned(logging.Formatter().formatException(found.exc_info))
        return found

    def show(kind: type, error: BaseException | None, trace: Any) -> None:
        print(cleaned("".join(traceback.format_exception(kind, error, trace))), file=sys.stderr)

    logging.setLogRecordFactory(record)
    sys.excepthook = show
    threading.excepthook = lambda end: None if end.exc_type is SystemExit else show(*end[:3])


def _written(key: str) -> list[Form]:
    """The encodings of a key, itself included."""
    found = [Form(text, PIECE) for text in (key, quote(key, safe=""), json.dumps(key)[1:-1])]
    data = key.encode("utf-8")
    found.append(Form(data.hex(), 2 * PIECE))
    for before in range(3):  # what precedes it shifts its base64 alignment
        text = base64.b64encode(bytes(before) + data).decode("ascii")
        last = (before + len(data)) * 8 // 6
        own = text[-(-before * 4 // 3) : last]  # without characters that depend on its neighbours
        found += [Form(own, PIECE + 2), Form(own.replace("+", "-").replace("/", "_"), PIECE + 2)]
    return list(dict.fromkeys(Form(_small(form.text), form.piece) for form in found))


def _cleaned(text: str) -> str:
    small = text.encode("utf-8", "surrogatepass").lower()  # bytes: lowers ASCII only, and is fast
    for place, forms, signs in _known.values():
        if any(sign in small for sign in signs):
            for form in forms:
                parts = re.split(re.escape(form.text), text, flags=re.IGNORECASE)
                text = place.join(parts)
            for form in forms:
                text = _without_pieces(text, form, place)
    return text


def _without_pieces(text: str, form: Form, place: str) -> str:
    """`text` with every fragment of the key replaced by `place`, each at its full length."""
    small, pieces = _small(text), form.cut(form.piece)
    if not any(piece in small for piece in pieces):
        return text
    parts, at, kept = [], 0, 0
    while at < len(text):
        if small[at : at + form.piece] not in pieces:
            at += 1
            continue
        end = at + form.piece
        while end < len(text) and small[at : end + 1] in form.text:
            end += 1
        parts += [text[kept:at], place]
        at = kept = end
    return "".join([*parts, text[kept:]])


def _small(text: str) -> str:
    """ASCII lower case, with the length unchanged."""
    return text.lower() if text.isascii() else text.translate(LOWER)


def _unescaped(text: str) -> str:
    """ASCII characters in place of their escapes in JSON and in Python's repr."""
    return ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)

"""Keys of services are in no text: what a server sends or an SDK says is cleaned of them.

A server that repeats what it was sent, an SDK that shows its request: none of their words are
printed, logged or stored but through here. That comes before they are cut, so that no half of a key
is left that nobody would know; and pieces of a key are taken out as well, in capitals or not, in
base64 or hexadecimal, with signs written as in JSON, HTML or an address. So is what packages log
(aiohttp shows a cookie that it cannot read) and the trace of what a process dies of.
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

PIECE = 8  # characters of a key that are as bad as all of it
LOWER = {capital: capital + 32 for capital in range(ord("A"), ord("Z") + 1)}
ESCAPE = re.compile(r"\\+(?:u00|x)([0-9a-fA-F]{2})")


class Form(NamedTuple):
    """A way to write a key, in small letters; so many characters of it are a piece."""

    text: str
    piece: int

    def cut(self, size: int, step: int = 1) -> set[str]:
        return {self.text[at : at + size] for at in range(0, len(self.text) - size + 1, step)}


class Known(NamedTuple):
    """What stands in a key's place, how it may be written, and signs of that: each piece of it has
    one of them."""

    place: str
    forms: list[Form]
    signs: list[bytes]


_known: dict[str, Known] = {}


def learn(key: str, name: str) -> None:
    """From now on the key `name` is taken out of every text.

    What is shorter than a piece is a place holder of one's own server ("EMPTY", "x"), not a secret;
    without it words of ordinary texts would be lost.
    """
    _guard()
    if len(key) >= PIECE:
        forms = [form for form in _written(key) if len(form.text) >= form.piece]
        # Half a piece at every (half + 1)th place: no piece is without one of them.
        cuts = [form.cut(form.piece // 2, form.piece // 2 + 1) for form in forms]
        signs = sorted({sign.encode("utf-8", "ignore") for cut in cuts for sign in cut})
        _known[key] = Known(f"[{name}]", forms, signs)


def cleaned(found: Any) -> Any:
    """A text, or JSON with all its texts, without keys and their pieces."""
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
    """Clean what others print as well: SDKs log messages that they cannot read, and an error that
    nobody expected is shown with its words."""
    make = logging.getLogRecordFactory()

    def record(*given: Any, **named: Any) -> logging.LogRecord:
        found = make(*given, **named)
        try:
            words = found.getMessage()
        except (TypeError, ValueError):  # its arguments do not fit
            words = f"{found.msg} {found.args}"
        found.msg, found.args = cleaned(words), ()
        if found.exc_info:
            found.exc_text = cleaned(logging.Formatter().formatException(found.exc_info))
        return found

    def show(kind: type, error: BaseException | None, trace: Any) -> None:
        print(cleaned("".join(traceback.format_exception(kind, error, trace))), file=sys.stderr)

    logging.setLogRecordFactory(record)
    sys.excepthook = show
    threading.excepthook = lambda end: end.exc_type is SystemExit or show(*end[:3])


def _written(key: str) -> list[Form]:
    """The key as it is, and in other writings."""
    found = [Form(text, PIECE) for text in (key, quote(key, safe=""), json.dumps(key)[1:-1])]
    data = key.encode("utf-8")
    found.append(Form(data.hex(), 2 * PIECE))
    for before in range(3):  # what stands before it decides how it is cut into letters
        text = base64.b64encode(bytes(before) + data).decode("ascii")
        last = (before + len(data)) * 8 // 6
        own = text[-(-before * 4 // 3) : last]  # without letters that its neighbours decide, too
        found += [Form(own, PIECE + 2), Form(own.replace("+", "-").replace("/", "_"), PIECE + 2)]
    return list(dict.fromkeys(Form(_small(form.text), form.piece) for form in found))


def _cleaned(text: str) -> str:
    small = text.encode("utf-8", "surrogatepass").lower()  # bytes: letters of ASCII alone, and fast
    for place, forms, signs in _known.values():
        if any(sign in small for sign in signs):
            for form in forms:
                parts = re.split(re.escape(form.text), text, flags=re.IGNORECASE)
                text = place.join(parts)
            for form in forms:
                text = _without_pieces(text, form, place)
    return text


def _without_pieces(text: str, form: Form, place: str) -> str:
    """`text` without what is a piece of the key, each as long as it is."""
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
    """Latin letters small; as many characters as before."""
    return text.lower() if text.isascii() else text.translate(LOWER)


def _unescaped(text: str) -> str:
    """Signs of ASCII in place of what stands for them in JSON and in what Python shows."""
    return ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)

"""Keys of services are in no text: what a server sends or an SDK says is cleaned of them.

A server that repeats what it was sent, an SDK that shows its request: none of their words are
printed, logged or stored but through here. That comes before they are cut, so that no half of a key
is left that nobody would know; and pieces of a key are taken out as well. So is what packages log
(aiohttp shows a cookie that it cannot read) and the trace of what a process dies of.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from types import TracebackType
from typing import Any
from urllib.parse import quote

PIECE = 8  # characters of a key that are as bad as all of it

_places: dict[str, str] = {}  # key -> what stands in its place


def learn(key: str, name: str) -> None:
    """From now on the key `name` is taken out of every text.

    What is shorter than a piece is a place holder of one's own server ("EMPTY", "x"), not a secret;
    without it words of ordinary texts would be lost.
    """
    if len(key) >= PIECE:
        _places[key] = f"[{name}]"
        logging.setLogRecordFactory(_Record)
        sys.excepthook = _show


class _Record(logging.LogRecord):
    """What any package logs, as it is shown."""

    def getMessage(self) -> str:
        return cleaned(super().getMessage())


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    print(cleaned("".join(traceback.format_exception(kind, error, trace))), file=sys.stderr, end="")


def cleaned(found: Any) -> Any:
    """A text, or JSON with all its texts, without keys and their pieces."""
    if isinstance(found, dict):
        return {cleaned(name): cleaned(value) for name, value in found.items()}
    if isinstance(found, list):
        return [cleaned(value) for value in found]
    if not isinstance(found, str):
        return found
    for key, place in _places.items():
        for form in dict.fromkeys((key, quote(key, safe=""), json.dumps(key)[1:-1])):
            found = _without_pieces(found, form, place)
    return found


def _without_pieces(text: str, key: str, place: str) -> str:
    """`text` without what is a piece of the key, each as long as it is."""
    pieces = {key[start : start + PIECE] for start in range(len(key) - PIECE + 1)}
    if not any(piece in text for piece in pieces):
        return text
    parts, at, kept = [], 0, 0
    while at < len(text):
        if text[at : at + PIECE] not in pieces:
            at += 1
            continue
        end = at + PIECE
        while end < len(text) and text[at : end + 1] in key:
            end += 1
        parts += [text[kept:at], place]
        at = kept = end
    return "".join([*parts, text[kept:]])

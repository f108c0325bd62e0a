"""Invented rows of full-duplex conversations, for tests."""

from __future__ import annotations

from typing import Any

from scripts.rows.duplex import Conversation, DuplexItem, DuplexScore


def item(key: str, **fields: Any) -> DuplexItem:
    """An item of one second, the user's side of which is KEY.flac."""
    given = {"collection": "known", "task": "turn", "scenario": key, "language": "English"}
    return DuplexItem(**{"id": key, "audio": f"{key}.flac", "seconds": 1.0} | given | fields)


def conversation(key: str, **fields: Any) -> Conversation:
    """The side of the system "s" in an item, KEY.flac."""
    given = {"collection": "known", "system": "s", "sample_rate": 24_000, "words": None}
    return Conversation(**{"id": key, "audio": f"{key}.flac", "seconds": 1.0} | given | fields)


def score(key: str, value: float | None, **fields: Any) -> DuplexScore:
    """The official takeover of an item by the system "s"; None is missing."""
    given = {"collection": "known", "task": "turn", "scenario": key, "system": "s"}
    given |= {"metric": "takeover", "form": "official", "by": "whisper"}
    why = None if value is not None else "no words"
    return DuplexScore(**{"id": key, "value": value, "dropped": why} | given | fields)

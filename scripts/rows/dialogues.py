"""Rows of the dialogues, written and spoken."""

from __future__ import annotations

import hashlib
from typing import Literal

from scripts.rows.jsonl import Language, Mode, Pool, Row, Seconds


class Exchange(Row):
    """A user utterance and the role's reply."""

    user: str
    role: str


class Dialogue(Row):
    """A written dialogue. An LLM reply without a usable dialogue keeps its raw text and the
    reason."""

    id: str
    role: str
    mode: Mode
    language: Language
    pool: Pool
    turns: list[Exchange]
    context: str
    model: str
    subtask: str | None = None  # one of the eight of Figure 4
    idx: int | None = None  # number within role and mode, test split only
    synthetic: bool = False  # the role's voice or script is synthetic
    raw: str | None = None
    duplicate_of: str | None = None
    similarity: float | None = None
    dropped: str | None = None


class SpokenTurn(Row):
    user_audio: str
    user_seconds: Seconds
    role_audio: str
    role_seconds: Seconds


class SpokenUser(Row):
    """The user's lines of one dialogue, synthesised beforehand: a file a line, at `sample_rate`."""

    id: str
    files: list[str]
    sample_rate: int
    voiced: bool = True  # False: a service will not voice it; a gap, not a failure
    dropped: str | None = None


class Spoken(Row):
    """Speech of one dialogue: a file an utterance, user and role, at the TTS backend's rate."""

    id: str
    role: str
    language: Language
    turns: list[SpokenTurn]
    sample_rate: int
    voice: str
    voice_mode: Literal["cloned", "matched"]
    flags: list[str]
    voiced: bool = True  # False: a service will not voice it; a gap, not a failure
    dropped: str | None = None


def shard_of(role: str, count: int) -> int:
    """The number (1 to count) of the shard that holds a role's rows."""
    return int(hashlib.sha256(role.encode("utf-8")).hexdigest(), 16) % count + 1


def in_shard(role: str, shard: str) -> bool:
    """Whether a role's rows are in the shard "k-of-n"."""
    number, count = map(int, shard.split("-of-"))
    return shard_of(role, count) == number

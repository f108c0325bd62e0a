"""Rows of the systems' replies."""

from __future__ import annotations

from scripts.rows.jsonl import Language, Mode, Row, Seconds


class ReplyTurn(Row):
    """A system's answer to one user utterance."""

    heard: str | None  # the system's transcript of the user, if it gives one
    text: str | None
    audio: str | None
    seconds: Seconds = 0.0
    latency: Seconds = 0.0  # from the end of the user's speech to the whole reply
    rtf: float | None = None  # latency / seconds of reply


class Reply(Row):
    """A system's answers to all turns of a test dialogue."""

    id: str
    system: str
    role: str
    mode: Mode
    language: Language
    turns: list[ReplyTurn]
    voice_mode: str
    asked: str | None = None  # the model that a service was asked for
    version: str | None = None  # of a service's model, as stated; several joined by " + "
    offered: bool = True  # False: the system does not speak the language; a gap, not a failure
    voiced: bool = True  # False: a service will not voice the reply or the dialogue; likewise
    dropped: str | None = None

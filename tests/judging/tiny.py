"""Small rows to judge: a role, the questions to it and a system's answers."""

from __future__ import annotations

from scripts.rows.dialogues import Dialogue, Spoken
from scripts.rows.roles import Voice
from scripts.rows.systems import Reply
from tests import rows

PERSON = rows.profile(pool="out_of_domain", profile="Flies.", background="Owes.", lines=["Hey."])


def dialogue(name: str) -> Dialogue:
    """A test dialogue of one turn."""
    return rows.dialogue(name, pool="out_of_domain", idx=1)


def reply(name: str, dropped: str | None = None) -> Reply:
    """The answers of the system `echo`, or why there are none."""
    turn = rows.reply_turn(None if dropped else "test.flac")
    return rows.reply(dialogue(name), "echo", [turn], dropped=dropped)


def spoken(name: str, dropped: bool = False) -> Spoken:
    """The speech of the dialogue."""
    turns = [rows.spoken_turn(role="ref.flac")]
    return rows.spoken(name, turns, dropped="no voice" if dropped else None)


def voice(others: int) -> Voice:
    """The role's clip and `others` identical ones."""
    return rows.voice(file="clip.flac", end=0.1, clips=1 + others, others=["clip.flac"] * others)

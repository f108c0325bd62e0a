"""Rows that make small things to judge: a role, what it was asked and what a system answered."""

from __future__ import annotations

from scripts.rows.dialogues import Dialogue, Exchange, Spoken, SpokenTurn
from scripts.rows.roles import Profile, Voice
from scripts.rows.systems import Reply, ReplyTurn


def dialogue(name: str) -> Dialogue:
    return Dialogue(
        id=name,
        role="joe",
        mode="single",
        language="English",
        pool="out_of_domain",
        turns=[Exchange(user="Who are you?", role="A pilot.")],
        context="",
        model="none",
        idx=1,
    )


def reply(name: str, dropped: str | None = None) -> Reply:
    turn = ReplyTurn(heard=None, text="Joe.", audio=None if dropped else "test.flac", seconds=0.2)
    return Reply(
        id=name,
        system="echo",
        role="joe",
        mode="single",
        language="English",
        turns=[turn],
        voice_mode="own",
        dropped=dropped,
    )


def spoken(name: str, dropped: bool = False) -> Spoken:
    turn = SpokenTurn(user_audio="none", user_seconds=1, role_audio="ref.flac", role_seconds=1)
    return Spoken(
        id=name,
        role="joe",
        language="English",
        turns=[turn],
        sample_rate=16_000,
        voice="none",
        voice_mode="matched",
        flags=[],
        dropped="no voice" if dropped else None,
    )


PERSON = Profile(
    role="joe",
    name="Joe",
    work="A Game",
    language="English",
    gender="Male",
    pool="out_of_domain",
    profile="Flies.",
    background="Owes.",
    lines=["Hey."],
    excerpts=[],
    origin="a test",
    synthetic=False,
    flags=[],
)


def voice(others: int) -> Voice:
    return Voice(
        role="joe",
        language="English",
        segment="s",
        media="m",
        file="clip.flac",
        start=0,
        end=0.1,
        text="",
        similarity=None,
        clips=1 + others,
        others=["clip.flac"] * others,
        synthetic=False,
        redistribute=False,
        flags=[],
    )

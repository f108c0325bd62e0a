"""Invented rows of every kind, for tests: fields have defaults, and tests give what they are about.

Nothing in them was measured. Every function accepts further fields by name, which replace its
defaults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.rows.corpus import Quality, Recording, Segment, Transcript, Turn
from scripts.rows.dialogues import Dialogue, Exchange, Spoken, SpokenTurn
from scripts.rows.jsonl import Row, write_rows
from scripts.rows.judging import Verdict
from scripts.rows.roles import Identity, Profile, RefusedVoice, RoleSpeaker, Voice
from scripts.rows.systems import Reply, ReplyTurn

Fields = dict[str, Any]
ENGLISH = {"language": "English"}


def written(path: Path, rows: list[Row]) -> Path:
    """`path`, after writing the rows to it."""
    write_rows(path, rows)
    return path


def recording(key: str = "m", **fields: Any) -> Recording:
    """A recording of a medium in which no speaker is looked for."""
    return Recording(**{"id": key, "work": "", "file": f"{key}.flac"} | ENGLISH | fields)


def turn(start: float, end: float, speaker: str = "speaker_0", **fields: Any) -> Turn:
    """A turn in the medium "m"."""
    return Turn(**{"media": "m", "speaker": speaker, "start": start, "end": end} | fields)


def segment(
    key: str, start: float, end: float, speaker: str = "speaker_0", **fields: Any
) -> Segment:
    """A segment of the medium "m" that is entirely speech."""
    times = {"start": start, "end": end, "speech": end - start}
    return Segment(**{"id": key, "media": "m", "speaker": speaker} | times | fields)


def quality(key: str, **fields: Any) -> Quality:
    """The quality of a good enough segment."""
    return Quality(**{"id": key, "ovrl": 3.2, "sig": 3.5, "bak": 4.0} | fields)


def transcript(key: str, text: str, **fields: Any) -> Transcript:
    """The transcript of a segment."""
    return Transcript(**{"id": key, "text": text} | ENGLISH | fields)


def identity(speaker: str, role: str | None, **fields: Any) -> Identity:
    """The models' identification of a speaker of the medium "m"."""
    names = {"media": "m", "speaker": speaker, "work": "The Flight", "role": role}
    given = {"candidates": ["joe", "ann", "zoe"], "votes": [], "agreed": True, "seconds": 4}
    return Identity(**names | given | {"evidence": []} | fields)


def role_speaker(speaker: str, role: str | None, **fields: Any) -> RoleSpeaker:
    """The identity of a speaker of the medium "m", as decided by a person."""
    names = {"media": "m", "speaker": speaker, "work": "The Flight", "role": role}
    return RoleSpeaker(**names | {"status": "verified", "by": "a person"} | fields)


def voice(role: str = "joe", **fields: Any) -> Voice:
    """The reference voice of a role: its only clip."""
    clip = {"segment": "s", "media": "m", "file": f"{role}.flac", "start": 0, "end": 3}
    given = {"text": "Relax.", "similarity": None, "clips": 1, "others": [], "flags": []}
    free = {"synthetic": False, "redistribute": False}
    return Voice(**{"role": role} | ENGLISH | clip | given | free | fields)


def refused_voice(role: str, dropped: str, segment: str | None = None) -> RefusedVoice:
    """A role without a voice, or a clip that is none."""
    return RefusedVoice(role=role, segment=segment, dropped=dropped)


def voices_of(people: list[Profile]) -> list[Voice]:
    """A reference voice of each role."""
    return [voice(person.role, language=person.language) for person in people]


def profile(role: str = "joe", **fields: Any) -> Profile:
    """The empty profile of a training role."""
    person = {"role": role, "name": role.title(), "work": "A Game", "gender": "Male"}
    words = {"profile": "", "background": "", "lines": [], "excerpts": []}
    rest = {"pool": "train", "origin": "a test", "synthetic": False, "flags": []}
    return Profile(**person | ENGLISH | words | rest | fields)


def exchanges(*lines: tuple[str, str]) -> list[Exchange]:
    """Turns of (the user's words, the role's answer)."""
    return [Exchange(user=user, role=answer) for user, answer in lines]


def dialogue(key: str, role: str = "joe", **fields: Any) -> Dialogue:
    """A training dialogue, multi-turn if there are several `turns`."""
    turns = fields.get("turns") or exchanges(("Who are you?", "A pilot."))
    mode = "single" if len(turns) == 1 else "multi"
    rest = {"mode": mode, "pool": "train", "turns": turns, "context": "", "model": "tiny"}
    return Dialogue(**{"id": key, "role": role} | ENGLISH | rest | fields)


def spoken_turn(user: str = "none", role: str = "none", **fields: Any) -> SpokenTurn:
    """One second per side, in these files."""
    files = {"user_audio": user, "role_audio": role}
    return SpokenTurn(**files | {"user_seconds": 1, "role_seconds": 1} | fields)


def spoken(key: str, turns: list[SpokenTurn], role: str = "joe", **fields: Any) -> Spoken:
    """The speech of a dialogue, in a matched voice at 16 kHz."""
    made = {"sample_rate": 16_000, "voice": "v", "voice_mode": "matched", "flags": []}
    return Spoken(**{"id": key, "role": role, "turns": turns} | ENGLISH | made | fields)


def reply_turn(audio: str | None, text: str = "Joe.", **fields: Any) -> ReplyTurn:
    """A system's answer to one utterance."""
    return ReplyTurn(**{"heard": None, "text": text, "audio": audio, "seconds": 0.2} | fields)


def reply(of: Dialogue, system: str, turns: list[ReplyTurn], **fields: Any) -> Reply:
    """A system's answers to a dialogue, in a voice of its own."""
    about = {name: getattr(of, name) for name in ("id", "role", "mode", "language")}
    return Reply(**about | {"system": system, "turns": turns, "voice_mode": "own"} | fields)


def verdict(of: Dialogue, system: str, metric: str, **fields: Any) -> Verdict:
    """One metric for a system's answers to a test dialogue: 6 versus the reference's 8."""
    about = {name: getattr(of, name) for name in ("id", "role", "mode", "idx", "language", "pool")}
    given = {"judge": "objective", "score_test": 6, "score_ref": 8, "rationale": "made up"}
    return Verdict(**about | {"system": system, "metric": metric} | given | fields)

"""Rows of full-duplex conversations: scenarios, items, both sides, scores."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scripts.rows.jsonl import Language, Row, Seconds, content_id

Task = Literal[
    "pause",  # the user pauses inside a turn: the system should wait
    "turn",  # the user's turn ends: the system should answer
    "interruption",  # the user interrupts the system: it should stop and answer
    "backchannel",  # the user tells something long: the system may say "mm-hm", and no more
    "user_backchannel",  # the user says "mm-hm" while the system talks: it should go on
    "bystander",  # the user talks to somebody else, or somebody else talks: it should go on
    "noise",  # a noise or speech in the background: it should go on
    "service",  # a question to a service role
]  # fmt: skip
EventKind = Literal[
    "user",  # the user talks
    "pause",  # the user's silence inside a turn
    "turn_end",  # the user has finished (start = end of the speech)
    "interruption",  # the user's interrupting words
    "backchannel",  # the user's "mm-hm"
    "backchannel_place",  # where a listener may say "mm-hm"
    "bystander",  # words that are not for the system
    "noise",
]  # fmt: skip
Form = Literal["official", "corrected"]


class Event(Row):
    """Something at a known time of the user's side."""

    kind: EventKind
    start: Seconds
    end: Seconds
    text: str = ""


class Question(Row):
    """A question to a service role; see scripts/duplex/scenarios.py for the seven kinds."""

    index: Annotated[int, Field(ge=0, le=6)]
    text: str
    fact: str | None  # what a right answer says, word for word in the context; None: there is none
    absent: str | None = None  # what it asks for or claims, and the context does not say
    choices: list[str]  # the right answer first; orders are made when it is asked


class Scenario(Row):
    """A service role: who the system is, and what it is asked."""

    id: str
    domain: str
    organisation: str
    name: str
    facts: list[str]
    context: str  # the role prompt
    questions: list[Question]
    dropped: str | None = None


class Choice(Row):
    """A question with its answers in one of their orders: the context is the system prompt."""

    scenario: str
    index: int  # of the question
    order: int  # from 0; a system knows the answer if it is right in all of them
    context: str
    text: str
    right: str  # the letter of the right answer


class DuplexItem(Row):
    """The user's side of a conversation, with what is known about it. Files lie beside the rows."""

    id: str
    collection: str
    task: Task
    scenario: str  # items of one scenario are not independent: intervals are by scenario
    language: Language
    audio: str
    seconds: Seconds
    role_prompt: str = ""
    voice: str | None = None  # a file: the voice that the system is given
    voice_text: str = ""
    events: list[Event] = []
    question: Question | None = None
    clean: str | None = None  # the id of the item without the overlap (Full-Duplex-Bench 1.5)
    note: str = ""  # what was changed when it was read: channels, level
    dropped: str | None = None


class TimedWord(Row):
    word: str
    start: Seconds
    end: Seconds


class Conversation(Row):
    """A system's side of an item: as long as the user's."""

    id: str
    collection: str
    system: str
    audio: str | None
    sample_rate: int
    seconds: Seconds
    words: list[TimedWord] | None  # of the system's own text stream
    resized: Seconds = 0.0  # seconds of silence added at its end; below 0: cut off
    compute: Seconds = 0.0
    seed: int = 0
    voice_mode: str = ""
    asked: str | None = None
    version: str | None = None
    dropped: str | None = None


class SideTranscript(Row):
    """When a system's side is active, and its words by each recogniser."""

    id: str
    collection: str
    system: str
    audio: str | None
    seconds: Seconds = 0.0
    activity: list[tuple[Seconds, Seconds]] = []
    # of a detector that takes the file to have 16 kHz, as the official benchmark's does
    unresampled: list[tuple[Seconds, Seconds]] = []
    # when the user talks, where no words of the user are marked; or why that is not known
    user: list[tuple[Seconds, Seconds]] | str | None = None
    words: dict[str, list[TimedWord] | str]  # by recogniser; or why there are none
    dropped: str | None = None


class DuplexScore(Row):
    """One measure of one conversation, or null with a reason."""

    id: str
    collection: str
    task: Task
    scenario: str
    system: str
    metric: str
    form: Form
    by: str  # what it was measured with: a recogniser, "activity", a speaker model, a judge
    value: float | None
    label: str = ""  # which of several was found (a behaviour, a voice); value: 1 if the wanted one
    each: list[Seconds] = []  # of a distribution: what the value is the mean of
    note: str = ""
    dropped: str | None = None


class TrainLine(Row):
    """A line of a dialogue to train on; it may begin before the one before it ends."""

    speaker: Literal["agent", "caller"]
    text: str
    start: Seconds
    end: Seconds
    words: list[TimedWord]


class TrainDuplex(Row):
    """A dialogue to train a full-duplex system on: stereo, the agent left and the caller right,
    with the agent's hybrid prompt (role text, voice sample). Files lie in the material's folder."""

    id: str
    kind: Literal["service", "question"]
    scenario: str  # of which dialogues have their facts in common
    language: Language
    role_prompt: str
    audio: str = ""
    seconds: Seconds = 0.0
    voice: str = ""  # a file: another utterance of the agent's voice
    voice_text: str = ""
    lines: list[TrainLine] = []  # in the order in which they begin
    dropped: str | None = None


def sample_of(row: Conversation) -> str:
    """The id of a conversation on a rating sheet, which does not tell the system."""
    return content_id("sample", row.collection, row.id, row.system)

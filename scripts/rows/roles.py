"""Rows of the roles: speaker identities, reference voices, profiles."""

from __future__ import annotations

from typing import Literal

from scripts.rows.jsonl import Language, Pool, Row, Seconds


class Evidence(Row):
    media: str
    start: Seconds
    end: Seconds
    text: str


class Vote(Row):
    """One model's vote on who a speaker is: the probabilities of the candidates (`scores`) and of
    somebody else, which sum to 1."""

    model: str
    role: str | None  # None: somebody else
    scores: dict[str, float]
    somebody_else: float


class Identity(Row):
    """The likely role of a diarized speaker, by two models, before people decide."""

    media: str
    speaker: str
    work: str
    candidates: list[str]
    votes: list[Vote]
    agreed: bool
    role: str | None  # the models' joint choice; None: none of the candidates
    seconds: Seconds  # speech of this speaker
    evidence: list[Evidence]


class RoleSpeaker(Row):
    """A speaker's role, with people's decisions applied."""

    media: str
    speaker: str
    work: str
    role: str | None
    status: Literal["verified", "unverified", "rejected"]
    by: str  # a person's name or initials, or "models"
    dropped: str | None = None
    flags: list[str] = []  # what speaks against a person's decision


def roles_of(rows: list[RoleSpeaker]) -> dict[tuple[str, str], str]:
    """The role of each (medium, speaker) that has one."""
    return {(row.media, row.speaker): row.role for row in rows if row.role and row.dropped is None}


class Voice(Row):
    """A role's reference clip."""

    role: str
    language: Language
    segment: str
    media: str
    file: str
    start: Seconds
    end: Seconds
    text: str
    similarity: float | None  # mean cosine to the role's other clips; None with one clip
    clips: int  # usable clips of this role
    others: list[str]  # files of further clips of this role, best first
    synthetic: bool
    redistribute: bool
    flags: list[str]  # e.g. "one clip only"


class RefusedVoice(Row):
    """A clip rejected as reference, or a role left without one."""

    role: str
    segment: str | None
    dropped: str


class Profile(Row):
    """Role profile, background and lines (paper, section 3.1)."""

    role: str
    name: str
    work: str
    language: Language
    gender: str
    pool: Pool
    profile: str
    background: str
    lines: list[str]
    excerpts: list[str]  # stretches of script with speaker names, in order
    origin: str  # "files: ..." or "transcripts of N clips"
    synthetic: bool
    flags: list[str]

    @property
    def described(self) -> str:
        """Who the role is, as a language model is told."""
        return f"{self.profile}\n{self.background}".strip()

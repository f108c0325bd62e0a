"""Rows of the corpus: media, recordings, turns, segments, their quality and transcripts."""

from __future__ import annotations

from scripts.rows.jsonl import Language, Row, Seconds, content_id


class Medium(Row):
    """One row of media.tsv as it was fetched."""

    id: str
    work: str  # empty: no role is identified in this medium
    language: Language
    file: str | None  # None: not available, see `dropped`
    track: str = ""  # the audio track by number (from 1) or language; empty: the default track
    synthetic: bool = False
    redistribute: bool = False
    dropped: str | None = None


class Recording(Row):
    """The mono 16 kHz audio of one medium (extract), or its vocals (separate)."""

    id: str
    work: str
    language: Language
    file: str | None
    duration: Seconds = 0.0
    synthetic: bool = False
    redistribute: bool = False
    note: str | None = None  # e.g. "the container says 60.0 s, 41.2 s could be decoded"
    dropped: str | None = None


class Turn(Row):
    """A stretch in which one diarized speaker talks; `speaker` is local to its medium."""

    media: str
    speaker: str
    start: Seconds
    end: Seconds
    overlap: bool = False  # True: more than one speaker talks here


class Segment(Row):
    """A candidate clip of one speaker; `dropped` says why it cannot be a clip."""

    id: str
    media: str
    speaker: str
    start: Seconds
    end: Seconds
    speech: Seconds  # seconds of detected speech inside
    dropped: str | None = None


class Quality(Row):
    """DNSMOS P.835 of a segment (1 to 5)."""

    id: str
    ovrl: float
    sig: float
    bak: float
    dropped: str | None = None


class Transcript(Row):
    """The transcript of a segment (all segments with speech, dropped ones too, as context)."""

    id: str
    text: str
    language: Language


def media_id(row: dict[str, str]) -> str:
    """The id of a row of media.tsv: a digest of its location and of its track, if it names one.
    Titles stay in that table."""
    return content_id(row["location"], *filter(None, [row.get("track")]))

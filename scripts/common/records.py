"""Row types of every file in results/: one pydantic type a kind of row, kept as JSON lines.

A row names audio by (file, start, end); `file` is a name relative to the audio folder that lies
beside the rows. Times are seconds, rounded to milliseconds. A row that was left out of the next
step stays in its file with the reason in `dropped`, so the counts of every step add up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from scripts.common.stage import UserError

Language = Literal["English", "Chinese"]
Mode = Literal["single", "multi"]
Pool = Literal["train", "out_of_domain"]
Split = Literal["train", "out_of_domain", "test"]
Metric = Literal["IA", "CC", "SF", "SN", "PC", "EA", "PeC", "KC"]
Seconds = Annotated[float, AfterValidator(lambda value: round(value, 3))]


class Row(BaseModel):
    """Base of every row: unknown or missing fields are refused."""

    model_config = ConfigDict(extra="forbid")


# --- corpus -------------------------------------------------------------------------------


class Medium(Row):
    """One row of media.tsv as it was fetched."""

    id: str
    work: str  # empty: nobody in this medium is looked for
    language: Language
    file: str | None  # None: it could not be had, see `dropped`
    track: str = ""  # the audio track by number (from 1) or language; empty: the default one
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
    """What was said in a segment (all segments with speech, dropped ones too: context)."""

    id: str
    text: str
    language: Language


# --- roles --------------------------------------------------------------------------------


class Evidence(Row):
    media: str
    start: Seconds
    end: Seconds
    text: str


class Vote(Row):
    """One model's opinion on who a speaker is; `scores` are probabilities over the candidates."""

    model: str
    role: str
    scores: dict[str, float]


class Identity(Row):
    """Who a diarized speaker may be, by two models, before people decide."""

    media: str
    speaker: str
    work: str
    candidates: list[str]
    votes: list[Vote]
    agreed: bool
    role: str | None  # the models' joint choice (highest mean probability)
    seconds: Seconds  # speech of this speaker
    evidence: list[Evidence]


class RoleSpeaker(Row):
    """A speaker's role after people's decisions were joined."""

    media: str
    speaker: str
    work: str
    role: str | None
    status: Literal["verified", "unverified", "rejected"]
    by: str  # a person's name or initials, or "models"
    dropped: str | None = None


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
    """A clip refused as reference, or a role left without one."""

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


# --- dialogues ----------------------------------------------------------------------------


class Exchange(Row):
    """The user says something, the role answers."""

    user: str
    role: str


class Dialogue(Row):
    """A written dialogue. A reply that never became one keeps its raw text and the reason."""

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
    """The user's lines of one dialogue, spoken beforehand: a file a line, at `sample_rate`."""

    id: str
    files: list[str]
    sample_rate: int
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
    dropped: str | None = None


# --- systems and judging --------------------------------------------------------------------


class ReplyTurn(Row):
    """A system's answer to one user utterance."""

    heard: str | None  # what the system took the user to say, where it says so
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
    version: str | None = None  # of a service's model, as it says it; several with " + " between
    offered: bool = True  # False: the system does not speak the language; a gap, not a failure
    dropped: str | None = None


class Trial(Row):
    """One answer of a judge that was asked: the whole numbers it gave, by side."""

    order: Literal["test first", "reference first"]  # which side it heard as A
    sample: int  # which asking of the same question, from 0
    test: int
    reference: int


class Verdict(Row):
    """One metric of one item: a pair of scores from 1 to 10, or null with a reason.

    Where a judge is asked several times the scores are the means of its `trials`.
    """

    id: str
    system: str
    judge: str
    role: str
    mode: Mode
    idx: int
    language: Language
    pool: Pool
    metric: Metric
    score_test: float | None
    score_ref: float | None
    rationale: str
    trials: list[Trial] = []
    version: str | None = None  # of the judge, as its service says
    system_version: str | None = None  # of the judged system, likewise
    cut: int = 0  # audio parts that the judge heard only the beginning of
    raw: str | None = None
    offered: bool = True  # False: the system does not speak the item's language
    dropped: str | None = None


class Probe(Verdict):
    """A verdict on a pair that was changed on purpose; `base` is the pair as it is.

    `score_test` is always that of the system's reply, whichever side the judge was told it is; the
    rationale speaks of the sides as the judge was given them.
    """

    probe: Literal[
        *("base", "again", "swapped", "identical", "louder", "quieter", "silence", "longer"),
        *("spoken", "written"),
    ]
    note: str | None = None  # e.g. "both sides lowered by 2.1 dB first"


AnyRow = TypeVar("AnyRow", bound=Row)


def read_rows(path: Path, kind: type[AnyRow]) -> list[AnyRow]:
    """Read a JSON lines file; a malformed line is refused with file, line number and fault."""
    rows = []
    # Only "\n" ends a row: str.splitlines would also break at characters inside a text.
    for number, line in enumerate(_text(path).rstrip("\n").split("\n"), start=1):
        if not line and number == 1:
            break
        try:
            rows.append(kind.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the line"
            raise UserError(
                f"{path}, line {number}: not a {kind.__name__} row ({field}: {first['msg']}). "
                "Delete the file to have it made again."
            ) from error
    return rows


def read_all(paths: Iterable[Path], kind: type[AnyRow]) -> list[AnyRow]:
    """The rows of several files, in the order of the files."""
    return [row for path in paths for row in read_rows(path, kind)]


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as JSON lines (UTF-8), one row a line; an empty list makes an empty file."""
    with Path(path).open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row.model_dump(), ensure_ascii=False) + "\n")


def digest(*parts: object) -> str:
    """A 12-digit hexadecimal id of the parts, the same on every machine and in every run."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


def media_id(row: dict[str, str]) -> str:
    """The id of a row of media.tsv: a digest of its location, and of its track if it names one, so
    that titles go no further."""
    return digest(row["location"], *filter(None, [row.get("track")]))


def shard_of(role: str, count: int) -> int:
    """The number (1 to count) of the shard that holds a role's rows."""
    return int(hashlib.sha256(role.encode("utf-8")).hexdigest(), 16) % count + 1


def _text(path: Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; run the rule that makes it.") from error

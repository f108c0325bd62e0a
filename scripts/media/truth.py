"""Ground truth of a medium (who says what, when), stored to score the corpus phase.

Three files per medium in results/corpus/truth/{batch}/: <id>.rttm (turns, and NOSCORE for stretches
excluded from scoring), <id>.jsonl (TruthLine rows: the written text) and <id>.flac (the speech
alone, mono 16 kHz, for SI-SDR). Any of them may be missing.
"""

from __future__ import annotations

import codecs
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import ValidationError, model_validator

from scripts.common import audio
from scripts.common.errors import UserError
from scripts.common.tables import UNSEEN
from scripts.media import rttm, stm
from scripts.media.stretch import Stretch
from scripts.rows.jsonl import Row, Seconds, fault_of, write_rows

FORM = '{"start": 0, "end": 1.5, "speaker": "ann", "character": "Ann", "text": "Hello."}'


class TruthLine(Row):
    """One spoken line; `speaker` is the label in the RTTM, which is the role's id if there is one.

    `text` is empty if only the turns are known; it may contain alternatives in STM's notation.
    """

    start: Seconds
    end: Seconds
    speaker: str
    character: str
    text: str

    @model_validator(mode="after")
    def _lasts(self) -> TruthLine:
        if not 0 <= self.start < self.end < math.inf:
            raise ValueError(f"start {self.start} and end {self.end} are no stretch of time")
        return self


Told = TypeVar("Told")
Span = tuple[float, float]  # start and end in seconds
Turns = list[tuple[float, float, str]]


def write(
    folder: Path,
    name: str,
    turns: Turns,
    lines: list[TruthLine],
    stem: np.ndarray | None = None,
    unscored: Iterable[Span] = (),
) -> None:
    """Write <name>.rttm, <name>.jsonl and, if the clean speech (n,) at 16 kHz is known, .flac.

    `unscored` are the stretches to exclude from every score.
    """
    write_rttm(folder / f"{name}.rttm", name, turns, unscored)
    write_rows(folder / f"{name}.jsonl", lines)
    if stem is not None:
        audio.write(folder / f"{name}.flac", stem)


def write_rttm(path: Path, name: str, turns: Turns, unscored: Iterable[Span] = ()) -> None:
    """Write turns (start, end, speaker) as RTTM; a blank in a label becomes a hyphen."""
    rows = [(start, end, "SPEAKER", "-".join(who.split())) for start, end, who in turns]
    rows += [(start, end, "NOSCORE", "<NA>") for start, end in unscored]
    path.write_text(
        "".join(
            f"{kind} {name} 1 {start:.3f} {end - start:.3f} <NA> <NA> {who} <NA> <NA>\n"
            for start, end, kind, who in rows
        ),
        encoding="utf-8",
    )


def read_rttm(path: Path, name: str = "") -> Turns:
    """The turns (start, end, speaker) of the recording `name` in an RTTM file, sorted.

    Only SPEAKER lines are turns. If no line names that recording (by default the file's own name),
    all lines must be of a single one. Raises UserError, with the line number, for a line that is
    not RTTM or is of another recording, and for a file without turns.
    """
    found = _rttm(path, name)
    return sorted((row.start, row.end, row.speaker) for row in found if row.speaker is not None)


def read_unscored(path: Path, name: str = "") -> list[Span]:
    """The stretches (start, end) that a recording's RTTM (NOSCORE) and STM exclude from scoring."""
    rows = _rttm(path, name)
    if path.with_suffix(".stm").exists():
        rows = [*rows, *_stm(path, name, rows)]
    return sorted({(row.start, row.end) for row in rows if row.speaker is None})


def read(path: Path, name: str = "") -> tuple[Turns, list[TruthLine]]:
    """The ground truth of the recording `name`: the turns of the RTTM at `path`, and the lines of
    the text file next to it.

    The text file has the same name and ends in .jsonl (TruthLine rows) or .stm (NIST's format; its
    speakers are matched to those of the RTTM by the time they share).
    """
    rows = _rttm(path, name)
    turns = sorted((row.start, row.end, row.speaker) for row in rows if row.speaker is not None)
    if path.with_suffix(".jsonl").exists():
        return turns, [row for _, row in _told(path.with_suffix(".jsonl"), _truth_line, FORM)]
    if path.with_suffix(".stm").exists():
        said = [(row, row.speaker) for row in _stm(path, name, rows) if row.speaker is not None]
        labels = same_people([(row.start, row.end, who) for row, who in said], turns)
        return turns, [
            _line(row.start, row.end, labels.get(who, who), who, row.text) for row, who in said
        ]
    return turns, [_line(start, end, speaker, speaker, "") for start, end, speaker in turns]


def _line(start: float, end: float, speaker: str, character: str, text: str) -> TruthLine:
    return TruthLine(start=start, end=end, speaker=speaker, character=character, text=text)


def _rttm(path: Path, name: str) -> list[Stretch]:
    """The turns and unscored stretches of a recording in an RTTM file."""
    rows = _of_one(path, _told(path, rttm.parse, rttm.FORM), name)
    if not any(row.speaker is not None for row in rows):
        raise UserError(
            f"{path} has no turn, which would be a line of type SPEAKER; where nobody knows who"
            " speaks, the cell `truth` stays empty."
        )
    return rows


def _stm(path: Path, name: str, turns: list[Stretch]) -> list[Stretch]:
    """What is said in the recording of `turns`, from the STM file next to the RTTM file `path`;
    duplicate lines of one speaker at the same time count once."""
    file = path.with_suffix(".stm")
    rows = list(dict.fromkeys(_of_one(file, _told(file, stm.parse, stm.FORM), name)))
    known = {unicodedata.normalize("NFC", name or path.stem), *(row.file for row in turns)}
    for row in rows:
        if row.file not in known:
            raise UserError(
                f"{file} tells of the recording '{row.file}', and {path.name} of "
                f"'{turns[0].file}'; give both the same name, if they are of one."
            )
    return rows


def _of_one(path: Path, rows: list[tuple[int, Stretch]], name: str) -> list[Stretch]:
    """The stretches of the recording `name` (by default the file's name), or of the only one."""
    first = {row.file: number for number, row in reversed(rows)}
    name = unicodedata.normalize("NFC", name or path.stem)
    if name not in first and len(first) > 1:
        one, other, *_ = sorted(first, key=first.__getitem__)
        raise UserError(
            f"{path}, line {first[other]}: another recording ('{other}') than in line {first[one]}"
            f" ('{one}'), and none of the {len(first)} is named as the medium, '{name}'; keep the"
            " lines of one, or give it the medium's name."
        )
    rows = [(number, row) for number, row in rows if name not in first or row.file == name]
    for number, row in rows:
        if row.end == row.start:
            print(f"{path}, line {number}: lasts less than a millisecond; it is left out.")
    return [row for _, row in rows if row.end > row.start]


def _truth_line(text: str) -> TruthLine:
    try:
        row = TruthLine.model_validate_json(text)
        stm.pieces(row.text)
        return row
    except ValidationError as error:
        raise ValueError(fault_of(error)) from error


def _told(path: Path, parse: Callable[[str], Told | None], form: str) -> list[tuple[int, Told]]:
    """Each parsed line of a text file with its number; blank lines and comments are skipped.

    Raises UserError, with the line number, for a line for which `parse` raises ValueError; `form`
    shows the expected format.
    """
    rows = []
    # Only these end a line: str.splitlines would also split at characters within a text.
    for number, line in enumerate(re.split(r"\r\n|\r|\n", _text(path)), start=1):
        line = line.strip(" \t")
        if line and not line.startswith((";;", "#")):
            try:
                rows.append((number, parse(line)))
            except ValueError as error:
                raise UserError(
                    f"{path}, line {number}: not {path.suffix[1:].upper()}: {error}. A line is"
                    f" {form}"
                ) from error
    return [(number, row) for number, row in rows if row is not None]


def _text(path: Path) -> str:
    """A file's text, UTF-8 or UTF-16 with a byte order mark; NFC, without invisible characters."""
    try:
        data = path.read_bytes()
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"the file of true turns {path} does not exist.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text; save it as UTF-8.") from error
    if "\0" in text:
        raise UserError(f"{path} holds zero bytes, as UTF-16 and UTF-32 do; save it as UTF-8.")
    return unicodedata.normalize("NFC", UNSEEN.sub("", text))


def same_people(found: Turns, true: Turns) -> dict[str, str]:
    """{speaker of `found`: the speaker of `true` with whom they share most time; ties by name}.
    Speakers who talk only where `true` has nobody are left out."""
    shared: dict[str, dict[str, float]] = {}
    for start, end, speaker in found:
        for begin, stop, person in true:
            both = min(end, stop) - max(start, begin)
            if both > 0:
                shared.setdefault(speaker, defaultdict(float))[person] += both
    return {name: max(sorted(times), key=times.__getitem__) for name, times in shared.items()}

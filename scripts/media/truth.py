"""What is known about who says what in a medium, kept beside it for scoring the corpus phase.

Three files a medium in results/corpus/truth/{batch}/: <id>.rttm (turns), <id>.jsonl (TruthLine
rows: the written text) and <id>.flac (the speech alone, mono 16 kHz, for SI-SDR). Each may be
missing: not everything is known about every medium.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts.common import audio
from scripts.common.records import Row, Seconds, read_rows, write_rows
from scripts.common.stage import UserError


class TruthLine(Row):
    """One uttered line; `speaker` is the label in the RTTM, which is the role's id if there is one.

    `text` is empty where only the turns are known.
    """

    start: Seconds
    end: Seconds
    speaker: str
    character: str
    text: str


Turns = list[tuple[float, float, str]]


def write(
    folder: Path, name: str, turns: Turns, lines: list[TruthLine], stem: np.ndarray | None = None
) -> None:
    """Write <name>.rttm, <name>.jsonl and, if the clean speech (n,) at 16 kHz is known, .flac."""
    write_rttm(folder / f"{name}.rttm", name, turns)
    write_rows(folder / f"{name}.jsonl", lines)
    if stem is not None:
        audio.write(folder / f"{name}.flac", stem)


def write_rttm(path: Path, name: str, turns: Turns) -> None:
    """Write turns (start, end, speaker) as RTTM; a blank in a label becomes a hyphen."""
    path.write_text(
        "".join(
            f"SPEAKER {name} 1 {start:.3f} {end - start:.3f} <NA> <NA> "
            f"{'-'.join(speaker.split())} <NA> <NA>\n"
            for start, end, speaker in turns
        ),
        encoding="utf-8",
    )


def read_rttm(path: Path) -> Turns:
    """The turns (start, end, speaker) of an RTTM file, sorted.

    Raises UserError with the line number for a line that is not RTTM.
    """
    turns = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        words = line.split()
        if not words or words[0] in {"SPKR-INFO", ";;"}:
            continue
        try:
            start, length, speaker = float(words[3]), float(words[4]), words[7]
        except (IndexError, ValueError) as error:
            raise UserError(
                f"{path}, line {number}: not RTTM; a line is SPEAKER <file> 1 <start> <length> "
                "<NA> <NA> <speaker> <NA> <NA>."
            ) from error
        turns.append((start, round(start + length, 3), speaker))
    return sorted(turns)


def read(rttm: Path) -> tuple[Turns, list[TruthLine]]:
    """What is known about a recording: its RTTM's turns, and the lines of the text beside it.

    The text is a file of the same name that ends in .jsonl (TruthLine rows) or .stm (as NIST's
    scorers read it; its speakers are matched to those of the RTTM by the time they share).
    """
    turns = read_rttm(rttm)
    if rttm.with_suffix(".jsonl").exists():
        return turns, read_rows(rttm.with_suffix(".jsonl"), TruthLine)
    if rttm.with_suffix(".stm").exists():
        return turns, _stm(rttm.with_suffix(".stm"), turns)
    return turns, [
        TruthLine(start=start, end=end, speaker=speaker, character=speaker, text="")
        for start, end, speaker in turns
    ]


def _stm(path: Path, turns: Turns) -> list[TruthLine]:
    """STM lines: <file> <channel> <speaker> <start> <end> <text>."""
    rows = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        words = line.split(maxsplit=5)
        if not words or line.startswith(";;"):
            continue
        try:
            rows.append((float(words[3]), float(words[4]), words[2], words[5]))
        except (IndexError, ValueError) as error:
            raise UserError(f"{path}, line {number}: not an STM line.") from error
    labels = {name: _label(name, rows, turns) for _, _, name, _ in rows}
    return [
        TruthLine(start=start, end=end, speaker=labels[name], character=name, text=text)
        for start, end, name, text in rows
    ]


def _label(name: str, rows: list, turns: list) -> str:
    """The RTTM's speaker who shares most time with the STM's speaker `name`."""
    shared: dict[str, float] = {}
    for start, end, who, _ in rows:
        for begin, stop, speaker in turns if who == name else []:
            both = max(0.0, min(end, stop) - max(start, begin))
            shared[speaker] = shared.get(speaker, 0.0) + both
    return max(sorted(shared), key=shared.get, default=name)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"the file of true turns {path} does not exist.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text.") from error

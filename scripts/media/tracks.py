"""Probes a recording with ffmpeg before decoding: its length and its audio tracks.

Only lines of the expected form are parsed: text from the file (such as a title that looks like a
stream) is indented further, follows a key, or is on a line without ffmpeg's own prefix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from scripts.common.errors import UserError
from scripts.media import ffmpeg

INPUT = re.compile(r"\[info\] Input #0, (\S+), from ")
LENGTH = re.compile(
    r"\[info\]   Duration: (?:N/A|(\d+):(\d\d):(\d\d\.\d+))(?:, start: (-?\d+\.\d+))?"
)
STREAM = re.compile(r"\[info\]   Stream #0:(\d+)(?:\[\w+\])?(?:\(([^()]*)\))?: (\w+): (.*)")
# An estimate from the size, far off if the bitrate changes (joined MP3s).
GUESSED = re.compile(r"^\[in#0[^\n]*\] \[warning\] Estimating duration from bitrate", re.MULTILINE)
TITLE = re.compile(r"\[info\]       title {11}: (.*)")
# Their clock may start anywhere and jump; ffmpeg counts from the first audio it reads.
CLOCKED = {"mpegts", "mpeg", "ogg"}
# How far to probe (microseconds, bytes) if no track is found, or one with unknown properties: the
# sound may start after minutes of picture.
FURTHER = ["-analyzeduration", "600M", "-probesize", "300M"]
SHOWN = 40  # maximum characters of a title or a language


@dataclass
class Track:
    """An audio track. `number` counts from 1; it starts `late` seconds after the film."""

    stream: int
    codec: str
    channels: str
    language: str
    default: bool
    title: str = ""
    late: float = 0.0
    number: int = 0

    def __str__(self) -> str:
        title = f"'{self.title}'" if self.title else ""
        known = [words for words in (self.language, self.channels, title) if words]
        return f"{self.number} ({', '.join(known)})" if known else str(self.number)


@dataclass
class Recording:
    """The properties of a recording: `seconds` is from the container, None if not given there."""

    opened: list[str]  # the options that open it
    format: str
    seconds: float | None = None
    streams: int = 0  # of any kind but cover art
    tracks: list[Track] = field(default_factory=list)


def probe(path: Path, span: tuple[int, int] | None = None) -> Recording:
    """The properties of `path`. Raises ffmpeg.Failed if ffmpeg cannot read it."""
    opened = ffmpeg.read(path, span)
    told = parse(ffmpeg.look(opened), opened)
    if not all(track.channels for track in told.tracks) or not told.tracks:
        opened = [*FURTHER, *opened]
        told = parse(ffmpeg.look(opened), opened)
    return told


def parse(words: str, opened: list[str]) -> Recording:
    """Parse ffmpeg's description `words` of its first input."""
    told, begin, last = Recording(opened, ""), 0.0, None
    tracks: dict[int, Track] = {}  # a stream of two programs is listed twice
    seen = set()
    for line in words.split("\n"):  # not splitlines: titles may contain other line breaks
        if found := INPUT.match(line):
            told.format = found[1]
        elif found := LENGTH.match(line):
            begin = float(found[4] or 0)
            if found[1] and not GUESSED.search(words):
                told.seconds = int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
        elif found := STREAM.match(line):
            number, language, kind, rest = int(found[1]), found[2] or "", found[3], found[4]
            if "(attached pic)" not in rest:
                seen.add(number)
            last = None
            if kind == "Audio":
                last = tracks.setdefault(number, _track(number, language, rest, begin))
        elif last and (found := TITLE.match(line)):
            last.title = _shown(found[1])
    told.tracks, told.streams = [tracks[key] for key in sorted(tracks)], len(seen)
    for number, track in enumerate(told.tracks, 1):
        track.number = number
    return told


def _track(stream: int, language: str, rest: str, begin: float) -> Track:
    channels = re.search(r" Hz, ([^,]+)", rest)
    start = re.search(r", start (-?\d+\.\d+)", rest)
    language = _shown(language)
    return Track(
        stream=stream, codec=re.split(r"[ ,]", rest, maxsplit=1)[0],
        channels=channels[1] if channels else "", language="" if language == "und" else language,
        default="(default)" in rest, late=float(start[1]) - begin if start else 0.0,
    )  # fmt: skip


def _shown(words: str) -> str:
    """Text from the file, cleaned and shortened for a note."""
    return "".join(letter if letter.isprintable() else " " for letter in words).strip()[:SHOWN]


def order(tracks: list[Track], wanted: str) -> list[Track]:
    """The candidate tracks, best first: those `wanted` (a number from 1, or a language; all if
    empty), the container's default first. Raises UserError if there are none."""
    if not tracks:
        raise UserError("it has no audio stream; give a file with sound.")
    fitting = [t for t in tracks if wanted.lower() in ("", str(t.number), t.language.lower())]
    if not fitting:
        raise UserError(
            f"it has no audio track '{wanted}'; it has {', '.join(map(str, tracks))}: put a number "
            "or a language of these into the column track of media.tsv, or leave that empty."
        )
    return sorted(fitting, key=lambda track: not track.default)

"""Joins spoken lines into an episode with known turns, and renders it as a film.

Lines keep their recorded loudness. The gaps between them are drawn from hashes, so an episode is
the same in every run. There is no overlapping speech. Music is mixed in at a given ratio of the
mean power of speech to that of music, both measured over the true turns after downmixing to mono.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from scripts.common.audio import resample
from scripts.common.errors import UserError
from scripts.media import ffmpeg
from scripts.media.truth import TruthLine
from scripts.rows.jsonl import content_id

RATE = 44_100  # Hz, of the film's audio
WITHIN = (0.05, 0.20)  # seconds between the pieces of one text
BETWEEN = (0.20, 0.50)  # seconds between two texts
SCENES = (1.5, 2.5)  # seconds between two dialogues
EDGE = 0.01  # speech starts and ends where 10 ms reach 1/100 (-40 dB) of the line's loudest 10 ms
LEAD = 0.5  # seconds of silence before the first and after the last line


@dataclass(frozen=True)
class Line:
    """One line to join: speaker (role id and name), text and samples (n,) at one common rate.

    Lines with the same `text_id` are pieces of one text; those with the same `scene`, one dialogue.
    """

    speaker: str
    character: str
    scene: str
    text_id: str
    text: str
    samples: np.ndarray


def join(lines: list[Line], rate: int, seed: str) -> tuple[np.ndarray, list[TruthLine]]:
    """Concatenate lines: speech (n,) float32 at `rate`, and one true turn per line.

    A turn spans the speech of its line, without leading and trailing silence. Raises UserError for
    a silent line.
    """
    parts, truth = [np.zeros(round(LEAD * rate), np.float32)], []
    at = len(parts[0])
    for number, line in enumerate(lines):
        if number:
            pause = _pause(lines[number - 1], line, f"{seed}/{number}")
            parts.append(np.zeros(round(pause * rate), np.float32))
            at += len(parts[-1])
        first, last = _speech(line, rate)
        start, end = (at + first) / rate, (at + last) / rate
        truth.append(
            TruthLine(
                start=start, end=end, speaker=line.speaker, character=line.character, text=line.text
            )
        )
        parts.append(line.samples.astype(np.float32, copy=False))
        at += len(line.samples)
    parts.append(np.zeros(round(LEAD * rate), np.float32))
    return np.concatenate(parts), truth


def under(speech: np.ndarray, music: np.ndarray, truth: list[TruthLine], rate: int, snr: float):
    """Music (m, channels) mixed under mono speech (n,) at `snr` dB: (n, channels) float32.

    Music that is too short is repeated. Raises UserError if it is silent during the speech.
    """
    active = np.zeros(len(speech), bool)
    for line in truth:
        active[round(line.start * rate) : round(line.end * rate)] = True
    if not len(music):
        raise UserError("the music has no samples.")
    music = np.tile(music, (-(-len(speech) // len(music)), 1))[: len(speech)]
    loud = float(np.mean(np.square(music.mean(axis=1)[active], dtype=np.float64)))
    if loud < 1e-10:
        raise UserError("the music is silent under the speech; choose another piece.")
    power = float(np.mean(np.square(speech[active], dtype=np.float64)))
    gain = np.sqrt(power / loud / 10 ** (snr / 10))
    return (speech[:, None] + gain * music).astype(np.float32)


def load_music(path: Path, seed: str, rate: int = RATE) -> np.ndarray:
    """A music file as (m, 2) float32 at `rate`, starting at a position drawn from `seed`."""
    try:
        samples, native = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise UserError(f"cannot read music from {path}: {error}") from error
    pair = [resample(samples[:, channel], native, rate) for channel in (0, -1)]
    music = np.stack(pair, axis=1)
    return np.roll(music, -int(_unit(f"{seed}/music") * len(music)), axis=0)


def film(path: Path, sound: np.ndarray, title: str, picture: Path | None, rate: int = RATE) -> None:
    """Write sound (n, channels), within [-1, 1], as an MP4: AAC, H.264 of a still image, a title.

    Without a picture the screen is black. The same input gives the same bytes.
    """
    seconds = len(sound) / rate
    still = ["-f", "lavfi", "-i", "color=black:size=400x250:rate=2"]
    if picture:
        still = ["-f", "image2", "-loop", "1", "-framerate", "2", "-i", f"file:{picture.resolve()}"]
    arguments = ["-f", "f32le", "-ar", str(rate), "-ac", str(sound.shape[1]), "-i", "pipe:0"]
    arguments += [*still, "-map", "0:a", "-map", "1:v", "-t", f"{seconds:.6f}"]
    arguments += ["-c:a", "aac", "-b:a", "160k", "-c:v", "libx264", "-preset", "veryfast"]
    arguments += ["-tune", "stillimage", "-pix_fmt", "yuv420p", "-threads", "1"]
    arguments += ["-vf", "scale=trunc(iw/2)*2:trunc(ih/2)*2", "-metadata", f"title={title}"]
    arguments += ["-flags", "+bitexact", "-fflags", "+bitexact", "-movflags", "+faststart"]
    arguments += ["-f", "mp4"]
    ffmpeg.run(arguments, path, data=sound.astype("<f4").tobytes())


def _pause(before: Line, after: Line, seed: str) -> float:
    limits = BETWEEN
    if before.scene != after.scene:
        limits = SCENES
    elif before.text_id == after.text_id:
        limits = WITHIN
    return limits[0] + _unit(seed) * (limits[1] - limits[0])


def _speech(line: Line, rate: int) -> tuple[int, int]:
    """The first and last sample of a line's speech."""
    frame = max(1, rate // 100)
    whole = np.pad(line.samples, (0, -len(line.samples) % frame))
    level = np.sqrt(np.square(whole, dtype=np.float64).reshape(-1, frame).mean(axis=1))
    if level.max(initial=0.0) < 1e-4:
        raise UserError(f"the line '{line.text}' of {line.character} is silent.")
    heard = np.flatnonzero(level >= EDGE * level.max())
    return int(heard[0]) * frame, min(int(heard[-1] + 1) * frame, len(line.samples))


def _unit(seed: str) -> float:
    """A number in [0, 1) that depends only on `seed`."""
    return int(content_id(seed), 16) / 16**12

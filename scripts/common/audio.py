"""Reading and writing audio: float32 mono in [-1, 1], 16 000 Hz unless said."""

from __future__ import annotations

import hashlib
import io
import wave
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile
import soxr

from scripts.common.errors import UserError
from scripts.common.paths import sha256_of

RATE = 16_000
Item = TypeVar("Item")
Made = TypeVar("Made")


class Sound:
    """A piece of audio that is read, decoded or hashed lazily.

    `source` is a file or (n,) float32 at 16 kHz; `seconds`, if given, is the known length of
    a file. Samples of a file are read again on each access, so that many sounds take no memory.
    """

    def __init__(self, source: Path | np.ndarray, seconds: float | None = None):
        self.path = None if isinstance(source, np.ndarray) else Path(source)
        self._samples = source if isinstance(source, np.ndarray) else np.zeros(0, np.float32)
        if seconds is not None:
            self.seconds = seconds

    @property
    def samples(self) -> np.ndarray:
        """(n,) float32 at 16 kHz. Raises UserError if the file cannot be read."""
        return self._samples if self.path is None else read(self.path)

    @cached_property
    def seconds(self) -> float:
        """The length; of a file only the header is read."""
        if self.path is None:
            return len(self._samples) / RATE
        try:
            return soundfile.info(self.path).duration
        except (OSError, soundfile.LibsndfileError) as error:
            raise UserError(f"cannot read audio from {self.path}: {error}") from error

    def sha256(self) -> str:
        """sha256 (hexadecimal) of the file's bytes, or of the samples as 16-bit PCM."""
        if self.path is None:
            return hashlib.sha256(pcm(self._samples)).hexdigest()
        try:
            return sha256_of(self.path)
        except OSError as error:
            raise UserError(f"cannot read audio from {self.path}: {error}") from error

    def wav(self, seconds: float | None = None) -> bytes:
        """A WAV file: mono, 16 kHz, 16-bit PCM, at most the first `seconds`."""
        samples = self.samples if seconds is None else self.samples[: round(seconds * RATE)]
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setnchannels(1)
            writer.setsampwidth(2)
            writer.setframerate(RATE)
            writer.writeframes(pcm(samples))
        return file.getvalue()


def pcm(samples: np.ndarray) -> bytes:
    """(n,) float32 as 16-bit little-endian PCM; values beyond full scale are clipped."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2").tobytes()


def read(path: Path, start: float = 0.0, end: float | None = None, rate: int = RATE) -> np.ndarray:
    """Read seconds [start, end) of a file as (n,) float32 at `rate`; channels are averaged.

    Raises UserError if the file is missing or cannot be decoded.
    """
    try:
        with soundfile.SoundFile(path) as file:
            file.seek(min(round(start * file.samplerate), file.frames))
            count = -1 if end is None else max(0, round((end - start) * file.samplerate))
            samples = file.read(count, dtype="float32", always_2d=True)
            native = file.samplerate
    except (OSError, soundfile.LibsndfileError) as error:
        raise UserError(f"cannot read audio from {path}: {error}") from error
    return resample(samples.mean(axis=1), native, rate)


def ahead(
    items: Iterable[Item], read: Callable[[Item], Made], waiting: int = 2
) -> Iterator[tuple[Item, Made]]:
    """Yield each item with the result of `read`, prefetched while the caller works on the last one.

    At most `waiting` results are prefetched. An error of `read` is raised at its item.
    """
    with ThreadPoolExecutor(1) as pool:
        ready: deque[tuple[Item, Future[Made]]] = deque()
        for item in items:
            ready.append((item, pool.submit(read, item)))
            if len(ready) > waiting:
                due, sound = ready.popleft()
                yield due, sound.result()
        while ready:
            due, sound = ready.popleft()
            yield due, sound.result()


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> None:
    """Write (n,) float32 as 16-bit FLAC (or whatever the suffix says).

    Raises ValueError for samples outside [-1, 1], which would be clipped.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > 1.0:
        raise ValueError(f"{path}: peak {peak:.2f} is above full scale")
    soundfile.write(path, samples, rate, subtype="PCM_16")


def encoded(samples: np.ndarray, rate: int) -> bytes:
    """(n,) float32 or 16-bit numbers as a 16-bit FLAC file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def decoded(blob: bytes) -> np.ndarray:
    """(n,) float32 of a FLAC file that `encoded` made."""
    return soundfile.read(io.BytesIO(blob), dtype="float32")[0]


def resample(samples: np.ndarray, source: int, target: int) -> np.ndarray:
    """Resample (n,) float32 from `source` to `target` Hz (soxr, high quality).

    The filter may overshoot full scale where the samples reach it; such audio is scaled down to 1.
    """
    if source == target or not len(samples):
        return samples.astype(np.float32, copy=False)
    return normalise(soxr.resample(samples, source, target).astype(np.float32, copy=False), 1.0)


def normalise(samples: np.ndarray, peak: float = 0.95) -> np.ndarray:
    """Scale (n,) down so that its peak is at most `peak`; quieter audio is unchanged."""
    loudest = float(np.abs(samples).max(initial=0.0))
    return samples if loudest <= peak else (samples * (peak / loudest)).astype(np.float32)

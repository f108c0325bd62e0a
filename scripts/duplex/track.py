"""A system's side as the measures read it: when it talks, its words, and its speech."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from scripts.backends.asr import Word
from scripts.common import audio
from scripts.duplex.hear import read_side
from scripts.duplex.spans import Gap, Span
from scripts.rows.duplex import SideTranscript


@dataclass
class Track:
    """The side of a transcript; the file of its sound is only read where it is needed."""

    file: Path
    seconds: float
    activity: list[Span]
    unresampled: list[Span]  # for a detector that takes the file to have 16 kHz
    words: dict[str, list[Word] | str]  # by recogniser, or why there are none

    def heard(self, recogniser: str) -> list[Word]:
        """The words by one recogniser. Raises Gap, saying why, if there are none."""
        words = self.words[recogniser]
        if isinstance(words, str):
            raise Gap(words)
        return words

    @cached_property
    def samples(self) -> np.ndarray:
        """(n,) float32 at 16 kHz. Raises Gap if the file cannot be used."""
        native, rate = read_side(self.file)
        return audio.resample(native, rate, audio.RATE)

    @property
    def speech(self) -> np.ndarray:
        """(m,) float32 at 16 kHz: the stretches of speech, put together. Raises Gap likewise."""
        rate = audio.RATE
        parts = [self.samples[round(a * rate) : round(b * rate)] for a, b in self.activity]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def track_of(row: SideTranscript, folder: Path) -> Track:
    """The track of a transcript whose sound lies in `folder`. Raises Gap if it has none."""
    if row.dropped or row.audio is None:
        raise Gap(row.dropped or "no conversation")
    words: dict[str, list[Word] | str] = {
        by: own if isinstance(own, str) else [Word(w.word, w.start, w.end) for w in own]
        for by, own in row.words.items()
    }
    return Track(folder / row.audio, row.seconds, row.activity, row.unresampled, words)

"""What a detector and recognisers hear of one side of a conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from scripts.backends.asr import AsrBackend, UnknownLanguage, Word
from scripts.backends.vad import VadBackend
from scripts.common import audio
from scripts.common.errors import UserError
from scripts.duplex.spans import JOIN, Gap, Span, joined

MARGIN = 0.1  # seconds around speech that a recogniser gets too
LONGEST = 20.0  # seconds of several utterances that are recognised together


@dataclass
class Track:
    """One side: its sound, when it talks, and its words by recogniser (or why there are none)."""

    samples: np.ndarray  # (n,) float32 at 16 kHz
    seconds: float
    activity: list[Span]
    unresampled: list[Span]  # for a detector that takes the file to have 16 kHz; if asked for
    words: dict[str, list[Word] | str] = field(default_factory=dict)

    def heard(self, recogniser: str) -> list[Word]:
        """The words by one recogniser. Raises Gap, saying why, if there are none."""
        words = self.words[recogniser]
        if isinstance(words, str):
            raise Gap(words)
        return words

    @property
    def speech(self) -> np.ndarray:
        """(m,) float32 at 16 kHz: the stretches of speech, put together."""
        rate = audio.RATE
        parts = [self.samples[round(a * rate) : round(b * rate)] for a, b in self.activity]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def track(file: Path, vad: VadBackend, unresampled: bool = False) -> Track:
    """Read a file of any rate and number of channels; `unresampled`: whether that is asked for.
    Raises Gap if the file cannot be used."""
    try:
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise Gap(f"cannot read {file.name}: {error}") from error
    native = samples.mean(axis=1)
    if not np.isfinite(native).all():
        raise Gap(f"{file.name} holds values that are no numbers")
    if not len(native):
        raise Gap(f"{file.name} is empty")
    sound = audio.resample(native, rate, audio.RATE)
    activity = vad.speech(sound)
    moved = vad.speech(native) if unresampled and rate != audio.RATE else activity
    return Track(sound, len(native) / rate, activity, moved)


def pieces(activity: Sequence[Span], seconds: float) -> list[Span]:
    """What is recognised at once: speech and short silences in it, with a margin.

    Recognisers invent words in silence, so they get none but that.
    """
    found: list[Span] = []
    for start, end in joined(activity, 0.0):
        if found and start - found[-1][1] < JOIN and end - found[-1][0] < LONGEST:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    # Neighbours share no sound: their margins meet in the middle of the silence.
    middles = [(a[1] + b[0]) / 2 for a, b in zip(found, found[1:], strict=False)]
    bounds = zip([0.0, *middles], [*middles, seconds], strict=True)
    return [
        (max(start - MARGIN, low), min(end + MARGIN, high))
        for (start, end), (low, high) in zip(found, bounds, strict=False)
    ]


def recognise(
    tracks: Sequence[Track], languages: Sequence[str], recognisers: Mapping[str, AsrBackend]
) -> None:
    """Fill `words` of the tracks, in the language of each."""
    for name, recogniser in recognisers.items():
        for language in sorted(set(languages)):
            own = [t for t, spoken in zip(tracks, languages, strict=True) if spoken == language]
            spans = [pieces(track.activity, track.seconds) for track in own]
            clips = [
                track.samples[round(a * audio.RATE) : round(b * audio.RATE)]
                for track, parts in zip(own, spans, strict=True)
                for a, b in parts
            ]
            try:
                found = iter(recogniser.transcribe(clips, language) if clips else [])
            except UnknownLanguage as error:
                for track in own:
                    track.words[name] = str(error)
                continue
            for track, parts in zip(own, spans, strict=True):
                heard = [(start, next(found)) for start, _ in parts]
                if any(said.words is None for _, said in heard):
                    raise UserError(
                        f"the recogniser {name} tells no times of words, which turn taking is "
                        "measured with: give its model in the config `word_times: true`."
                    )
                track.words[name] = [
                    Word(word.word, start + word.start, start + word.end)
                    for start, said in heard
                    for word in said.words or []
                ]

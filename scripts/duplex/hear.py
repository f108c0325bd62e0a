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
LONGEST = 12.0  # seconds that are recognised together
AROUND = 2.0  # seconds before that, in which longer speech is cut at its quietest moment
STEP = 0.02  # seconds: steps of that search


@dataclass
class SideSound:
    """One side: its sound, when it talks, and its words by recogniser (or why there are none)."""

    samples: np.ndarray  # (n,) float32 at 16 kHz
    seconds: float
    activity: list[Span]
    unresampled: list[Span]  # for a detector that takes the file to have 16 kHz; if asked for
    words: dict[str, list[Word] | str] = field(default_factory=dict)


def read_side(file: Path) -> tuple[np.ndarray, int]:
    """A file of any rate and number of channels: (n,) float32, the mean of its channels, and its
    rate. Raises Gap if the file cannot be used."""
    try:
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise Gap(f"cannot read {file.name}: {error}") from error
    native = samples.mean(axis=1)
    if not np.isfinite(native).all():
        raise Gap(f"{file.name} holds values that are no numbers")
    if not len(native):
        raise Gap(f"{file.name} is empty")
    return native, rate


def side_of(file: Path, vad: VadBackend, unresampled: bool = False) -> SideSound:
    """A side with its activity; `unresampled`: whether that is asked for. Raises Gap if the file
    cannot be used."""
    native, rate = read_side(file)
    sound = audio.resample(native, rate, audio.RATE)
    activity = vad.speech(sound)
    moved = vad.speech(native) if unresampled and rate != audio.RATE else activity
    return SideSound(sound, len(native) / rate, activity, moved)


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


def clips_of(side: SideSound) -> list[Span]:
    """The stretches of a side that are recognised, each as one clip."""
    found = pieces(side.activity, side.seconds)
    return [part for span in found for part in shorter(side.samples, span)]


def shorter(samples: np.ndarray, span: Span) -> list[Span]:
    """A stretch of (n,) float32 at 16 kHz in parts of at most LONGEST.

    It is cut where three steps are quietest. As only what comes before decides that, two sides that
    begin alike have their first parts in common, which a cached recogniser hears once.
    """
    start, end = span
    found, width = [], round(STEP * audio.RATE)
    while end - start > LONGEST:
        first = round((start + LONGEST - AROUND) * audio.RATE)
        searched = samples[first:][: round(AROUND * audio.RATE)]
        steps = searched[: len(searched) // width * width].reshape(-1, width)
        power = np.convolve(np.square(steps).sum(axis=1), np.ones(3), "valid")
        cut = (first + (int(power.argmin()) + 1.5) * width) / audio.RATE
        found.append((start, cut))
        start = cut
    return [*found, (start, end)]


def recognise(
    sides: Sequence[SideSound], languages: Sequence[str], recognisers: Mapping[str, AsrBackend]
) -> None:
    """Fill `words` of the sides, in the language of each. Raises UserError for a recogniser
    without times of words."""
    for name, recogniser in recognisers.items():
        for language in sorted(set(languages)):
            own = [s for s, spoken in zip(sides, languages, strict=True) if spoken == language]
            spans = [clips_of(side) for side in own]
            clips = [
                side.samples[round(a * audio.RATE) : round(b * audio.RATE)]
                for side, parts in zip(own, spans, strict=True)
                for a, b in parts
            ]
            try:
                found = iter(recogniser.transcribe(clips, language) if clips else [])
            except UnknownLanguage as error:
                for side in own:
                    side.words[name] = str(error)
                continue
            for side, parts in zip(own, spans, strict=True):
                heard = [(start, next(found)) for start, _ in parts]
                if any(said.words is None for _, said in heard):
                    raise UserError(
                        f"the recogniser {name} tells no times of words, which turn taking is "
                        "measured with: give its model in the config `word_times: true`."
                    )
                side.words[name] = [
                    Word(word.word, start + word.start, start + word.end)
                    for start, said in heard
                    for word in said.words or []
                ]

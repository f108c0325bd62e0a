"""How alike two voices are, on a scale where a stranger is 0 and the same speaker is 1.

A cosine of speaker embeddings means something else for every embedder. Here it is placed between
two others of the same embedder: that of the voice sample and the other voices of the collection,
and that of the sample's own two halves. Halves are shorter than the whole, so a good clone may be a
little above 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scripts.backends.speaker import SpeakerBackend
from scripts.common import audio
from scripts.duplex.spans import Gap, Measure, gap

FEWEST = 1.0  # seconds of speech that have a voice


@dataclass(frozen=True)
class Scale:
    """A voice sample's embedding, and the cosines that are 0 and 1; `reason`: why they are not."""

    voice: np.ndarray
    stranger: float
    same: float
    reason: str | None = None


def scales(samples: Mapping[str, np.ndarray], embedder: SpeakerBackend) -> dict[str, Scale]:
    """The scale of each voice sample, (n,) float32 at 16 kHz, of a collection.

    Samples of the same sound are one voice; all others are strangers to it.
    """
    if not samples:
        return {}
    sounds = {sound.tobytes(): sound for sound in samples.values()}
    voices = dict(zip(sounds, embedder.embed(list(sounds.values())), strict=True))
    halves = embedder.embed([half for own in sounds.values() for half in np.array_split(own, 2)])
    same = dict(zip(sounds, (halves[::2] * halves[1::2]).sum(axis=1), strict=True))
    found = {}
    for name, sound in samples.items():
        key = sound.tobytes()
        others = [voice @ voices[key] for other, voice in voices.items() if other != key]
        zero, one = float(np.mean(others)) if others else 0.0, float(same[key])
        reason = None
        if not others:
            reason = "the collection has one voice only: there is no stranger to compare it with"
        elif one <= zero:
            reason = "the halves of the voice sample are no more alike than strangers"
        found[name] = Scale(voices[key], zero, one, reason)
    return found


def voice_of(speech: np.ndarray, embedder: SpeakerBackend) -> np.ndarray:
    """(d,) the embedding of some speech, (n,) float32 at 16 kHz. Raises Gap if it is too short."""
    seconds = len(speech) / audio.RATE
    if seconds < FEWEST:
        raise Gap(f"{seconds:.2f} s of speech have no voice to compare")
    return embedder.embed([speech])[0]


def likeness(voice: np.ndarray, scale: Scale) -> tuple[Measure, Measure]:
    """The cosine of a voice and the voice sample; and on the scale."""
    cosine = float(voice @ scale.voice)
    if scale.reason:
        return Measure(cosine), gap(scale.reason)
    return Measure(cosine), Measure((cosine - scale.stranger) / (scale.same - scale.stranger))


def nearest(voice: np.ndarray, own: str, known: Mapping[str, Scale]) -> Measure:
    """1.0 if no other voice sample of the collection is nearer to a voice than its `own`, by
    cosine, else 0.0; the label is the nearest one's file."""
    others = [name for name in known if not np.array_equal(known[name].voice, known[own].voice)]
    if not others:
        return gap("the collection has one voice only")
    # Its own one comes first, as several files may hold the same sample.
    found = max([own, *others], key=lambda name: float(voice @ known[name].voice))
    return Measure(float(found == own), label=found)


def drift(speech: np.ndarray, scale: Scale, embedder: SpeakerBackend) -> Measure:
    """How much more the last third of some speech is like the voice sample than the first third,
    on the scale: below 0 the voice moves away."""
    third = len(speech) // 3
    try:
        _, first = likeness(voice_of(speech[:third], embedder), scale)
        _, last = likeness(voice_of(speech[len(speech) - third :], embedder), scale)
    except Gap as why:
        return gap(f"a third of the speech: {why}")
    if first.value is None or last.value is None:
        return gap(f"a third of the speech: {first.reason or last.reason}")
    return Measure(last.value - first.value)

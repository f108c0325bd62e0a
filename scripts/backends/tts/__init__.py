"""Speech synthesis.

A backend whose service makes a voice from more sound than one clip has sets REFERENCE = (least,
most), in seconds: it gets several clips of the role, joined (`reference`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import numpy as np

from scripts.common import audio
from scripts.workflow import specs
from scripts.workflow.model_spec import ModelSpec

KEPT = {"voice": 1, "fixed_voice": 1, "voices": 1, "speak": 128}
SOUND = True
PAUSE = np.zeros(audio.RATE * 3 // 10, np.float32)  # between joined clips


Voice = dict[str, Any]  # a backend's own, as JSON can hold it
Line = tuple[str, Voice, str]  # text, voice, language


class Unvoiced(ValueError):
    """A service will not speak a line: it refuses its text, or to make a voice of its role's
    clips. Asking again does not help."""


class TtsBackend(Protocol):
    """A synthesiser."""

    @property
    def rate(self) -> int:
        """Samples a second of what it speaks."""

    @property
    def voice_mode(self) -> str:
        """How a role gets a voice: "cloned" (zero-shot from the reference clip), "matched" (the
        nearest stock voice) or "fixed" (only users have voices: `voice` raises UserError)."""

    def voice(self, clip: np.ndarray, text: str, language: str) -> Voice:
        """The voice of a reference clip, (n,) float32 at 16 kHz, in which `text` is said (at its
        beginning, where clips are joined); computed once for a role. A service that refuses the
        clip says so in the voice, and `speak` raises Unvoiced for each of its lines."""

    def fixed_voice(self, language: str) -> Voice:
        """The one voice that all users speak with."""

    def speak(self, lines: list[Line]) -> list[np.ndarray]:
        """Each line as (n,) float32 at `rate`. Long text is spoken in pieces and joined: nothing is
        cut short. Text with nothing to say in it raises ValueError, what a service refuses
        Unvoiced."""


class StockTts(TtsBackend, Protocol):
    """A synthesiser with voices of its own, for lines of nobody in particular."""

    def voices(self, language: str) -> list[Voice]:
        """Two or more, always in the same order. They need not be made: any process can speak with
        them."""


def has_voices(backend: TtsBackend) -> TypeGuard[StockTts]:
    """Whether a synthesiser has voices of its own."""
    return hasattr(backend, "voices")


def reference(spec: ModelSpec, files: Sequence[Path]) -> np.ndarray:
    """The sound of which the synthesiser of a spec, or of a part of it, makes a role's voice: (n,)
    float32 at 16 kHz.

    `files` are the role's clips, best first; the first is used as it is. If the backend wants more
    (REFERENCE), the next ones are joined to it until there is enough, except those that would make
    it too much. Too little, after all, is for the service to refuse.
    """
    first, *others = files
    parts = [audio.read(first)]
    least, most = wanted(spec) or (0.0, 0.0)
    for file in others:
        have = sum(map(len, parts)) / audio.RATE
        if have >= least:
            break
        clip = audio.read(file)
        if have + (len(PAUSE) + len(clip)) / audio.RATE <= most:
            parts += [PAUSE, clip]
    return np.concatenate(parts)


def wanted(spec: ModelSpec) -> tuple[float, float] | None:
    """REFERENCE of the first backend of a spec and its parts that sets it."""
    found = [
        specs.constant(part, "REFERENCE", None)
        for part in specs.with_nested([spec])
        if specs.file_of(part).is_file()  # a missing one is reported when it is loaded
    ]
    return next(filter(None, found), None)


def accept(backend: TtsBackend, speech: np.ndarray, text: str) -> None:
    """Check a backend against the contract on (n,) 16 kHz English `speech`."""
    assert backend.voice_mode in ("cloned", "matched", "fixed")
    fixed = backend.fixed_voice("English")
    voice = fixed if backend.voice_mode == "fixed" else backend.voice(speech, text, "English")
    short, long = backend.speak(
        [("Good morning.", voice, "English"), ("Good morning, my friends. " * 3, fixed, "English")]
    )
    assert short.dtype == np.float32 and short.ndim == 1
    assert len(long) > 1.5 * len(short) > 0.3 * backend.rate
    assert max(np.abs(short).max(), np.abs(long).max()) <= 1
    if has_voices(backend):
        stock = backend.voices("English")
        assert len({str(own) for own in stock}) == len(stock) > 1
        assert all(len(said) for said in backend.speak([("Yes.", stock[-1], "English")]))

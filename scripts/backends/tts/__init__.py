"""Speech synthesis."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

KEPT = {"voice": 1, "fixed_voice": 1, "speak": 128}
SOUND = True


Voice = dict[str, Any]  # a backend's own, as JSON can hold it
Line = tuple[str, Voice, str]  # text, voice, language


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
        """The voice of a reference clip, (n,) float32 at 16 kHz, in which `text` is said; computed
        once for a role."""

    def fixed_voice(self, language: str) -> Voice:
        """The one voice that all users speak with."""

    def speak(self, lines: list[Line]) -> list[np.ndarray]:
        """Each line as (n,) float32 at `rate`. Long text is spoken in pieces and joined: nothing is
        cut short. Text with nothing to say in it raises ValueError."""


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

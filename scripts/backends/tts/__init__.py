"""Speech synthesis.

A backend has
- `rate`: samples a second of its speech;
- `voice_mode`: "cloned" (zero-shot from the reference clip), "matched" (nearest stock voice) or
  "fixed" (stock voices for users, none for a role: `voice` raises UserError);
- `voice(clip, text, language)`: a reference clip (n,) float32 at 16 kHz and its transcript -> a
  voice, computed once for a role, that is JSON-serialisable;
- `fixed_voice(language)` -> the one voice of all users;
- `speak(lines)`: a list of (text, voice, language) -> a list of (n,) float32 at `rate`. Long text
  is synthesised in pieces and joined, never truncated. Text without anything to say raises
  ValueError.
"""

from __future__ import annotations

import numpy as np

KEPT = {"voice": 1, "fixed_voice": 1, "speak": 128}
SOUND = True


def accept(backend, speech: np.ndarray, text: str) -> None:
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

"""Speech recognition.

A backend has `transcribe(clips, language=None)`: a list of (n,) float32 at 16 kHz and "English",
"Chinese" or None (detect) -> a list of {"text": str, "language": str}; Chinese comes in simplified
characters. A clip without speech gives an empty text.
"""

from __future__ import annotations

import numpy as np


def accept(backend, speech: np.ndarray) -> None:
    """Check a backend against the contract on (n,) 16 kHz English `speech`."""
    heard = backend.transcribe([speech, np.zeros(16_000, np.float32)], "English")
    assert [set(item) for item in heard] == [{"text", "language"}] * 2
    assert heard[0]["text"].strip() and heard[0]["language"] == "English"
    assert backend.transcribe([], "English") == []

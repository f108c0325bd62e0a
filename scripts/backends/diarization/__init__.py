"""Diarization: who speaks when.

A backend has `diarize(audio)`: (n,) float32 at 16 kHz -> a list, sorted by start, of
{"start": s, "end": s, "speaker": str, "overlap": bool}. `overlap` is True for a stretch in which
more than one speaker talks (such a stretch is given once for each of them); a backend that cannot
know gives False. Silence gives an empty list.
"""

from __future__ import annotations

import numpy as np

KEPT = {"diarize": 1}


def accept(backend, speech: np.ndarray) -> None:
    """Check a backend against the contract on (n,) 16 kHz `speech`; raises AssertionError."""
    turns = backend.diarize(speech)
    assert turns and turns == sorted(turns, key=lambda turn: (turn["start"], turn["end"]))
    for turn in turns:
        assert set(turn) == {"start", "end", "speaker", "overlap"}
        assert 0 <= turn["start"] < turn["end"] <= len(speech) / 16_000 + 0.1
    assert backend.diarize(np.zeros(16_000, np.float32)) == []

"""Speech quality without a reference.

A backend has `rate(clips)`: a list of (n,) float32 at 16 kHz -> a list of
{"ovrl": float, "sig": float, "bak": float}, each on the P.835 scale from 1 to 5.
A clip of no samples or outside [-1, 1] raises ValueError.
"""

from __future__ import annotations

import numpy as np

KEPT = {"rate": 256}


def accept(backend, speech: np.ndarray) -> None:
    """Check a backend against the contract on (n,) 16 kHz `speech`; raises AssertionError."""
    (clean,) = backend.rate([speech])
    assert set(clean) == {"ovrl", "sig", "bak"} and all(1 <= v <= 5 for v in clean.values())
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(speech))
    (noisy,) = backend.rate([np.clip(speech + noise, -1, 1).astype(np.float32)])
    assert noisy["ovrl"] < clean["ovrl"]

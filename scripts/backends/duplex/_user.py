"""The user's side of a call, heard frame by frame. All times are in seconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scripts.backends.duplex import FRAME, Call, Side

HEARD = 16_000  # Hz: of what `heard` gives
LAG = 16  # samples (1 ms): more than half of the resampler's filter
NEVER = -np.inf
TINY = 1e-6


def refused(call: Call, languages: Sequence[str] | None = None) -> Side | None:
    """The side without audio of a call whose user's audio is empty or not finite, or whose language
    is not one of `languages`; None if there is nothing wrong."""
    reason = None
    if not len(call.user):
        reason = "the user's audio is empty"
    elif not np.isfinite(call.user).all():
        reason = "the user's audio holds values that are no numbers"
    elif languages is not None and call.language not in languages:
        reason = f"the system does not speak {call.language}"
    return Side(None, None, 0.0, reason) if reason else None


def heard(user: np.ndarray) -> np.ndarray:
    """The user's side, (n,) float32 at 24 kHz, as (m,) float32 at 16 kHz.

    It is 1 ms late, so that no sample depends on anything after its own moment, as it would by the
    resampler's filter; what overshoots full scale in that filter is clipped.
    """
    from scipy.signal import resample_poly

    samples = resample_poly(user, 2, 3).astype(np.float32)
    late = np.concatenate([np.zeros(LAG, np.float32), samples])[: len(samples)]
    return np.clip(late, -1, 1)


def pieces(
    talking: np.ndarray, step: float, gap: float, shortest: float, frames: int
) -> list[tuple[float, float]]:
    """Begin and end of the latest piece of speech, as known at the end of each frame.

    `talking` (n,) bool says for each `step` whether somebody talks. Speech with less than `gap` of
    silence in it is one piece; one of less than `shortest` is ignored; before the first, both times
    are minus infinity.
    """
    known, latest = [], (NEVER, NEVER)
    begin, end, position = NEVER, NEVER, 0
    for frame in range(1, frames + 1):
        while position < len(talking) and (position + 1) * step <= frame * FRAME + TINY:
            if talking[position]:
                if position * step - end > gap - TINY:
                    begin = position * step
                end = (position + 1) * step
                latest = (begin, end) if end - begin > shortest - TINY else latest
            position += 1
        known.append(latest)
    return known

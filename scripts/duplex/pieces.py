"""Pieces of sound with known edges, and tracks in which each piece has a known time.

A piece is as long as a whole number of milliseconds, and is placed at a whole millisecond, so what
a track says about times is exact to the millisecond. All sound here is (n,) float32 at 24 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scripts.backends.duplex import RATE
from scripts.common import audio
from scripts.rows.duplex import Event, EventKind
from scripts.rows.jsonl import content_id

MS = RATE // 1000  # samples
LEVEL = 0.05  # RMS of the user's speech, -26 dB of full scale
EDGE = 1 / 100  # speech begins and ends where 1 ms reaches this share (-40 dB) of the loudest 10 ms
NEAR, FAINT = 400, -22.0  # within so many ms of an edge speech is louder than so many dB below that
FADE = 2  # ms at both ends, so that nothing clicks
KNOCK, KNOCKS = 80, 350  # ms: the length of a knock, from one to the next
BANDS = {"rumble": (40, 300), "hiss": (2000, 8000), "knocks": (200, 1500)}  # Hz


def edges(samples: np.ndarray, rate: int) -> tuple[int, int] | None:
    """First and last sample (exclusive) of the speech in (n,), in steps of 1 ms; None if it is
    silent."""
    frame = max(1, rate // 1000)
    power = _power(samples, frame)
    if not power.any():
        return None
    total = np.concatenate([[0.0], np.cumsum(power)])
    width = min(10, len(power))
    loudest = (total[width:] - total[:-width]).max() / width
    loud = np.flatnonzero(power >= loudest * EDGE**2)
    return int(loud[0]) * frame, min(len(samples), (int(loud[-1]) + 1) * frame)


def piece(samples: np.ndarray, rate: int, level: float = LEVEL) -> np.ndarray:
    """The speech in (n,) at `rate`, from its first to its last millisecond, with the RMS `level`.

    Raises ValueError for silence, for values that are no numbers, and where a noise of the voice
    before or after the speech hides its edge.
    """
    if not np.isfinite(samples).all():
        raise ValueError("it holds values that are no numbers")
    samples = audio.resample(samples, rate, RATE)
    found = edges(samples, RATE)
    if found is None:
        raise ValueError("it is silent")
    speech = samples[found[0] : found[1]]
    power = _power(speech, 10 * MS)
    for end, part in (("beginning", power[: NEAR // 10]), ("end", power[-(NEAR // 10) :])):
        if part.max() < power.max() * 10 ** (FAINT / 10):
            raise ValueError(f"a noise hides its {end}; take another voice")
    return finished(speech, level)


def finished(samples: np.ndarray, level: float) -> np.ndarray:
    """(n,) with the RMS `level`, faded at both ends and filled up to whole milliseconds; quieter
    where its peak would be beyond full scale."""
    whole = np.pad(samples, (0, -len(samples) % MS)).astype(np.float64)
    ramp = np.ones(len(whole))
    slope = np.linspace(0, 1, FADE * MS, endpoint=False)[: len(whole)]
    ramp[: len(slope)] *= slope
    ramp[len(ramp) - len(slope) :] *= slope[::-1]
    scaled = whole * (level / max(np.sqrt(np.mean(whole**2)), 1e-9)) * ramp
    return audio.normalise(scaled.astype(np.float32), 0.99)


def quieter(level: float, decibels: float) -> float:
    """An RMS level so many dB below another."""
    return float(level * 10 ** (-decibels / 20))


def noise(sound: str, milliseconds: int, snr: float, *key: object) -> np.ndarray:
    """A noise `snr` dB below the user's speech; always the same for the same `key`."""
    # Only the generator of RandomState is the same in all releases of numpy.
    random = np.random.RandomState(int(content_id("noise", *key), 16) % 2**32)
    white = random.uniform(-1, 1, milliseconds * MS)
    spectrum = np.fft.rfft(white)
    heights = np.fft.rfftfreq(len(white), 1 / RATE)
    low, high = BANDS[sound]
    shaped = np.fft.irfft(spectrum * ((heights >= low) & (heights <= high)), len(white))
    if sound == "knocks":
        since = np.arange(len(shaped)) / MS % KNOCKS  # ms since the last knock began
        shaped *= np.exp(-2 * since / KNOCK) * (since < KNOCK)
        shaped = shaped[: np.flatnonzero(since < KNOCK)[-1] + 1]  # it ends with the last knock
    return finished(shaped.astype(np.float32), quieter(LEVEL, snr))


def babble(voices: list[np.ndarray], milliseconds: int, snr: float) -> np.ndarray:
    """Several pieces at once, each again from its beginning where it is too short."""
    length = milliseconds * MS
    mixed = np.stack([np.resize(voice, length) for voice in voices]).sum(axis=0)
    return finished(mixed.astype(np.float32), quieter(LEVEL, snr))


@dataclass
class Track:
    """The user's side, made piece by piece."""

    parts: list[np.ndarray] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    at: int = 0  # ms

    def silence(self, milliseconds: int, kind: EventKind | None = None) -> None:
        """Digital silence, which may be an event."""
        self._add(np.zeros(milliseconds * MS, np.float32), kind, "")

    def say(self, sound: np.ndarray, kind: EventKind, text: str) -> None:
        """A piece, as an event from its first to its last millisecond."""
        self._add(sound, kind, text)

    def end_turn(self) -> None:
        """The user has finished."""
        self.events.append(Event(kind="turn_end", start=self.at / 1000, end=self.at / 1000))

    @property
    def samples(self) -> np.ndarray:
        return np.concatenate(self.parts)

    def without(self, kind: EventKind) -> Track:
        """The same track with digital silence in place of the events of a kind."""
        samples = self.samples.copy()
        for event in self.events:
            if event.kind == kind:
                samples[round(event.start * RATE) : round(event.end * RATE)] = 0
        return Track([samples], [e for e in self.events if e.kind != kind], self.at)

    def _add(self, sound: np.ndarray, kind: EventKind | None, text: str) -> None:
        start, self.at = self.at, self.at + len(sound) // MS
        self.parts.append(sound)
        if kind:
            found = Event(kind=kind, start=start / 1000, end=self.at / 1000, text=text)
            self.events.append(found)


def _power(samples: np.ndarray, frame: int) -> np.ndarray:
    """The mean square of each frame of (n,), the last one filled with silence."""
    whole = np.pad(samples, (0, -len(samples) % frame)).astype(np.float64)
    return np.mean(whole.reshape(-1, frame) ** 2, axis=1)

"""Models whose results can be worked out by hand: speech is a tone, its pitch is the voice."""

from __future__ import annotations

import numpy as np

from scripts.backends.asr import Transcription, Word, speaks

RATE = 16_000
STEP = 160  # samples
EACH = 0.3  # seconds of a word


def tone(spans, seconds: float, rate: int = RATE, pitch: float = 400.0) -> np.ndarray:
    """(n,) float32: a tone in the spans, silence elsewhere."""
    time = np.arange(round(seconds * rate)) / rate
    on = np.zeros(len(time), bool)
    for start, end in spans:
        on |= (time >= start) & (time < end)
    return (0.5 * np.sin(2 * np.pi * pitch * time) * on).astype(np.float32)


class Detector:
    """Speech is where a hundredth of a second is loud."""

    def speech(self, audio):
        frames = np.abs(audio[: len(audio) // STEP * STEP].reshape(-1, STEP)).max(axis=1) > 0.05
        edges = np.flatnonzero(np.diff(np.r_[False, frames, False]))
        return [(a * STEP / RATE, b * STEP / RATE) for a, b in edges.reshape(-1, 2)]


class Recogniser:
    """A word every 0.3 s of each stretch of speech; the `deaf` one hears none."""

    def __init__(self, deaf: bool = False, times: bool = True):
        self.deaf, self.times = deaf, times

    def transcribe(self, clips, language=None):
        speaks("the simulated recogniser", language, ["English"])
        found = []
        for clip in clips:
            words = []
            for start, end in [] if self.deaf else Detector().speech(clip):
                count = max(1, round((end - start) / EACH))
                edges = np.linspace(start, end, count + 1).tolist()
                words += [
                    Word(f"w{i}", a, b)
                    for i, (a, b) in enumerate(zip(edges, edges[1:], strict=False))
                ]
            text = " ".join(word.word for word in words)
            found.append(Transcription(text, "English", words if self.times else None))
        return found


class Embedder:
    """A voice is its pitch: 400 Hz is one axis, 800 Hz another, what is between lies between."""

    def embed(self, clips):
        angles = []
        for clip in clips:
            power = np.abs(np.fft.rfft(clip)) ** 2
            pitch = np.fft.rfftfreq(len(clip), 1 / RATE)[power.argmax()]
            angles.append((pitch - 400) / 400 * np.pi / 2)
        return np.array([[np.cos(a), np.sin(a)] for a in angles], np.float32).reshape(-1, 2)


class Judge:
    """Gives the same reply to each chat, and keeps the chats."""

    name, context = "simulated", None

    def __init__(self, reply: str):
        self.reply, self.chats = reply, []

    def generate(self, chats, max_tokens, seed=0, temperature=0.0):
        self.chats += chats
        return [self.reply for _ in chats]

"""Training material for the tests of fine-tuning a tiny Moshi: dialogues made of a hum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from scripts.backends.duplex import RATE
from scripts.common import audio
from scripts.rows.duplex import TimedWord, TrainDuplex, TrainLine

ROLE = "You work for the harbour office and your name is Ada Lake."
SETTINGS = {
    "rank": 4,
    "scaling": 2.0,
    "acoustic": 0.02,
    "padding": 0.3,
    "depth_rate": 4e-3,
    "temporal_rate": 2e-3,
    "frames": 120,
    "batch": 2,
    "at_once": 2,
    "steps": 2,
    "save_steps": 1,
    "keep": 2,
    "log_steps": 1,
}


def line(speaker: str, text: str, start: float, end: float) -> TrainLine:
    words = text.split()
    step = (end - start) / len(words)
    times = [
        TimedWord(word=word, start=start + n * step, end=start + (n + 1) * step)
        for n, word in enumerate(words)
    ]
    return TrainLine(speaker=speaker, text=text, start=start, end=end, words=times)


def dialogues(folder: Path, hum: np.ndarray, count: int = 2) -> list[TrainDuplex]:
    """`count` dialogues of 2.4 s with their files: the caller asks, the agent answers."""
    folder.mkdir(parents=True, exist_ok=True)
    sound = audio.resample(hum, 16_000, RATE)
    audio.write(folder / "voice.wav", sound[30_000:42_000], RATE)
    rows = []
    for number in range(count):
        both = np.zeros((round(2.4 * RATE), 2), np.float32)
        both[:24_000, 1] = sound[1_000 * number :][:24_000]
        both[28_800:52_800, 0] = sound[::-1][1_000 * number :][:24_000]
        soundfile.write(folder / f"d{number}.wav", both, RATE)
        rows.append(
            TrainDuplex(
                id=f"d{number}",
                kind="service",
                scenario="harbour",
                language="English",
                role_prompt=ROLE,
                audio=f"d{number}.wav",
                seconds=2.4,
                voice="voice.wav",
                voice_text="Thank you.",
                lines=[
                    line("caller", "How are the waves today?", 0.0, 1.0),
                    line("agent", "Fine, very fine.", 1.2, 2.2),
                ],
            )
        )
    return rows

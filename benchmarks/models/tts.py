"""Voice-cloning TTS: batched pieces with references read once, versus the packages' own calls, one
line at a time, as on their pages."""

from __future__ import annotations

import contextlib
import io

import numpy as np

from benchmarks.models import Case, loaded, made

TRANSCRIPT = "I have a bad feeling about this, my friend."
LINES = [
    "Good evening, and welcome to the show.",
    "The old pilot looked at the map again.",
    "Nobody has seen the queen since May.",
    "Where did you put the key to the boat?",
    "I would rather walk than fly with you.",
    "There is a storm behind the mountains.",
    "Tell me all you know about the temple.",
    "We leave at dawn, with you or without.",
]


def cases():
    import torch

    torch.set_num_threads(1)
    times = np.arange(48_000) / 16_000
    clip = (0.1 * np.sin(2 * np.pi * 200 * times)).astype(np.float32)
    yield cosyvoice2(clip)
    yield f5(clip)


def ours(backend, clip: np.ndarray):
    """The lines in one voice, and their duration in seconds."""
    voice = backend.voice(clip, TRANSCRIPT, "English")
    lines = [(line, voice, "English") for line in LINES]
    seconds = sum(map(len, backend.speak(lines))) / backend.rate
    return (lambda: backend.speak(lines)), seconds


def cosyvoice2(clip: np.ndarray) -> Case:
    import torch

    made("cosyvoice2-0.5b")
    backend = loaded("tts", "cosyvoice2", device="cpu")

    def simplest():
        with contextlib.redirect_stderr(io.StringIO()):  # the package's progress bars
            for line in LINES:
                prompt = torch.from_numpy(clip)[None]
                for part in backend.net.inference_zero_shot(line, TRANSCRIPT, prompt):
                    part["tts_speech"].numpy()

    work, seconds = ours(backend, clip)
    return Case("tts/cosyvoice2", len(LINES), seconds, work, simplest)


def f5(clip: np.ndarray) -> Case:
    import torch
    from f5_tts.infer.utils_infer import infer_batch_process

    for name in ("f5-tts", "vocos-mel-24khz"):
        made(name)
    backend = loaded("tts", "f5_tts", device="cpu", steps=8)
    reference = (torch.from_numpy(clip)[None], 16_000)

    def simplest():
        for line in LINES:
            next(
                infer_batch_process(
                    reference,
                    f"{TRANSCRIPT} ",
                    [line],
                    backend.net,
                    backend.vocos,
                    progress=None,
                    nfe_step=8,
                    device="cpu",
                )
            )

    work, seconds = ours(backend, clip)
    return Case("tts/f5_tts", len(LINES), seconds, work, simplest)

"""Streaming end-of-turn detection versus its networks alone (`python -m benchmarks.duplex_turns`).

The user says twelve sentences with pauses between and inside them, and is answered at once by a
stand-in, so that what is measured is the detection. The networks alone are Silero over the same
windows and Smart Turn, with its features, over the same turns. Both use one thread.

    seconds a CPU second       of conversation
    ms of a frame              CPU time of 80 ms of conversation
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import chdir
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.figures import Figure, best, show
from benchmarks.models import loaded
from scripts.backends.duplex import FRAME, RATE, Call
from scripts.common.audio import resample
from scripts.common.paths import ROOT
from scripts.workflow.model_spec import ModelSpec

LINES = (
    "Good morning, I would like to know when my parcel will arrive.",
    "It was sent on Monday, from the shop in the harbour street.",
    "Well, the number is, let me see,",
    "four hundred and twelve.",
)
PAUSE = 2.0  # seconds after a sentence


def figures() -> Iterator[Figure]:
    os.environ.setdefault("SPEECHROLE_WEIGHTS", str(ROOT / "weights"))
    answers = ModelSpec("dialogue", "simulated", {"system": 1}, str(ROOT / "tests/backends"))
    parts = {"dialogue": answers, "vad": ModelSpec("vad", "silero")}
    system = loaded("duplex", "end_of_turn", **parts)
    call = Call(user(), "", np.zeros(0, np.float32), "")
    asked: list[np.ndarray] = []
    complete = system.smart_turn.complete
    system.smart_turn.complete = lambda turn: asked.append(turn) or complete(turn)

    def networks() -> None:
        system.vad.talking(resample(call.user, RATE, 16_000))
        for turn in asked:
            complete(turn)

    with TemporaryDirectory() as folder, chdir(folder):  # the stand-in counts what it is asked
        system.converse([call])
        system.smart_turn.complete = complete
        ours, bare = best([lambda: system.converse([call]), networks], 5, time.process_time)
    seconds = len(call.user) / RATE
    frames = seconds / FRAME
    yield Figure("pauses that Smart Turn hears", len(asked))
    yield Figure("seconds a CPU second, networks", seconds / ours, seconds / bare)
    times = 1000 * ours / frames, 1000 * bare / frames
    yield Figure("ms of a frame, networks", *times, "ratio <= 1.1")


def user() -> np.ndarray:
    """The sentences three times over, (n,) float32 at 24 kHz."""
    tts = loaded("tts", "kokoro", speaker=ModelSpec("speaker", "campplus"))
    said = tts.speak([(line, tts.fixed_voice("English"), "English") for line in LINES])
    silence = np.zeros(round(PAUSE * RATE), np.float32)
    return np.tile(np.concatenate([part for line in said for part in (line, silence)]), 3)


if __name__ == "__main__":
    sys.exit(show(figures()))

"""Uses models of config/config.yaml, each once: SOUND.npy MODEL ... (see test_any_cpu.py).

Prints "MODEL begins" before each model and "MODEL took SECONDS s: ..." after it (CPU seconds,
imports included), so that the output shows which model killed the process.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from scripts import backends
from scripts.backends.duplex import Call
from scripts.backends.judge import _measures
from tests.default_models import spec_of

RATE = 16_000


def without_onednn_lstm() -> None:
    """QEMU crashes in oneDNN's LSTM, which no real processor does: only that layer is replaced with
    PyTorch's own."""
    import torch

    forward = torch.nn.LSTM.forward

    def own(*arguments):
        with torch.backends.mkldnn.flags(enabled=False):
            return forward(*arguments)

    torch.nn.LSTM.forward = own


def diarize(model, sound: np.ndarray) -> list[dict]:
    """Half a second in a window of two."""
    without_onednn_lstm()
    model.segmentation.duration = 2.0
    return model.diarize(sound[: RATE // 2])


def transcribe(model, sound: np.ndarray) -> list[dict[str, str]]:
    """In a window of 5 s instead of 15 s."""
    from scripts.backends.asr import faster_whisper

    faster_whisper.SHORT, faster_whisper.MARGIN = 4, 1
    return model.transcribe([sound], "English")


def embed(model, sound: np.ndarray) -> np.ndarray:
    """The embedding of half a second."""
    without_onednn_lstm()
    return model.embed([sound[: RATE // 2]])


def converse(model, sound: np.ndarray) -> list:
    """A side of two seconds."""
    call = Call(sound, "", sound[:0], "")
    return model.converse([call])


USES = {
    "separation": lambda model, sound: model.separate(sound[::4], RATE // 4),
    "diarization": diarize,
    "vad": lambda model, sound: model.speech(sound),
    "asr": transcribe,
    "speaker": embed,
    "duplex": converse,
    # One token after another one: a chat's template is thirty, and each takes a minute.
    "llm": lambda model, sound: model.run([tuple(model.tokens("Hello"))], max_new_tokens=1),
    "tts": lambda model, sound: model.speak([("Yes.", model.fixed_voice("English"), "English")]),
    "embedding": lambda model, sound: model.embed(["Hello"]),
    "judge": lambda model, sound: [_measures.prosody(sound), _measures.error_rate("a b", "a c")],
}


def use(name: str, sound: np.ndarray):
    """A model's result for the sound. For a judge, only its work apart from the models it contains,
    which run separately."""
    spec = spec_of(name)
    model = None if spec.capability == "judge" else backends.load(spec)
    return USES[spec.capability](model, sound)


def main(file: str, *names: str) -> None:
    sound = np.load(file)
    for name in names:
        print(f"{name} begins", flush=True)
        start = time.process_time()
        made = " ".join(repr(use(name, sound)).split())
        print(f"{name} took {time.process_time() - start:.0f} s: {made:.80}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

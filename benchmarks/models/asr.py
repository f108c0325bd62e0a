"""Speech recognition: batches sorted by length versus one clip at a time, as in the READMEs of
transformers, faster-whisper and FunASR."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.models import Case, loaded, made

NAMES = {
    "whisper": ["whisper-large-v3-turbo"],
    "faster_whisper": ["faster-whisper-large-v3"],
    "funasr": ["paraformer-zh", "sensevoice-small"],
}
LENGTHS = [3, 9, 5, 7, 4, 6, 8, 10, 3, 5, 4, 7, 6, 9, 5, 3]  # seconds, as of real clips


def cases() -> Iterator[Case]:
    """One case per model, in Chinese, which all of them support."""
    draw = np.random.default_rng(0)
    clips = [(draw.standard_normal(n * 16_000) * 0.05).astype(np.float32) for n in LENGTHS]
    for backend, names in NAMES.items():
        for name in names:
            simplest = SIMPLEST[backend](made(name))
            model = loaded("asr", backend, weights=name, device="cpu")

            def ours(model=model):
                return model.transcribe(clips, "Chinese")

            def theirs(simplest=simplest):
                return [simplest(clip) for clip in clips]

            title = f"asr/{backend}, {name.split('-')[0]}"
            yield Case(title, len(clips), float(sum(LENGTHS)), ours, theirs)


def whisper(home: Path) -> Callable:
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    processor = WhisperProcessor.from_pretrained(home)
    net = WhisperForConditionalGeneration.from_pretrained(home)

    def hear(clip: np.ndarray) -> str:
        inputs = processor(clip, sampling_rate=16_000, return_tensors="pt")
        found = net.generate(inputs.input_features, language="chinese", task="transcribe")
        return processor.batch_decode(found, skip_special_tokens=True)[0]

    return hear


def faster_whisper(home: Path) -> Callable:
    from faster_whisper import WhisperModel

    net = WhisperModel(str(home), device="cpu", compute_type="int8", cpu_threads=2)

    def hear(clip: np.ndarray) -> str:
        segments, _ = net.transcribe(clip, language="zh")
        return "".join(segment.text for segment in segments)

    return hear


def funasr(home: Path) -> Callable:
    import torch
    from funasr import AutoModel

    quiet = {"disable_update": True, "disable_pbar": True, "ncpu": torch.get_num_threads()}
    net = AutoModel(model=str(home), device="cpu", **quiet)

    def hear(clip: np.ndarray) -> str:
        return net.generate(clip, language="zh", use_itn=True)[0]["text"]

    return hear


SIMPLEST = {"whisper": whisper, "faster_whisper": faster_whisper, "funasr": funasr}

"""Speaker embedders versus a loop over the clips as on each package's page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.models import Case, loaded, made

RATE = 16_000


def cases() -> Iterator[Case]:
    """Turns of .5 to 3 s with boundaries on a grid of .05 s, as in a diarization."""
    random = np.random.default_rng(0)
    lengths = (0.05 * RATE * random.integers(10, 61, size=32)).astype(int)
    clips = [random.normal(0, 0.1, length).astype(np.float32) for length in lengths]
    for backend, weights, loop in (
        ("campplus_funasr", "campplus-zh-cn", funasr),
        ("ecapa_speechbrain", "ecapa-voxceleb", speechbrain),
        ("wavlm", "wavlm-base-plus-sv", transformers),
    ):
        simplest = loop(made(weights), clips)
        ours = loaded("speaker", backend, weights=weights, device="cpu")
        yield Case(
            f"speaker/{backend}",
            len(clips),
            sum(map(len, clips)) / RATE,
            lambda ours=ours: ours.embed(clips),
            simplest,
        )


def funasr(home: Path, clips):
    from funasr import AutoModel

    model = AutoModel(model=str(home), device="cpu", disable_update=True, disable_pbar=True)
    return lambda: [model.generate(input=clip)[0]["spk_embedding"] for clip in clips]


def speechbrain(home: Path, clips):
    import torch
    from speechbrain.inference.classifiers import EncoderClassifier
    from speechbrain.utils.fetching import LocalStrategy

    classifier = EncoderClassifier.from_hparams(
        source=str(home),
        overrides={"pretrained_path": str(home)},
        local_strategy=LocalStrategy.NO_LINK,
        run_opts={"device": "cpu"},
    )
    return lambda: [classifier.encode_batch(torch.from_numpy(clip)[None]) for clip in clips]


def transformers(home: Path, clips):
    import torch
    from transformers import Wav2Vec2FeatureExtractor, WavLMForXVector

    extractor = Wav2Vec2FeatureExtractor.from_pretrained(home)
    model = WavLMForXVector.from_pretrained(home).eval()

    def loop():
        with torch.no_grad():
            for clip in clips:
                inputs = extractor(clip, sampling_rate=RATE, return_tensors="pt")
                torch.nn.functional.normalize(model(**inputs).embeddings, dim=-1)

    return loop

"""pyannote.audio: speaker diarization with overlapping speech (Bredin, Interspeech 2023).

The pipeline `pyannote/speaker-diarization-community-1` (CC-BY-4.0, gated:
https://huggingface.co/pyannote/speaker-diarization-community-1) of the package pyannote.audio 4
(MIT): a network finds up to three speakers in every ten seconds, a second one embeds each of them,
and the embeddings are clustered (VBx). The paper names the Emilia framework, which used the same
authors' older pipeline 3.1.

Speech of one person is one turn; overlapping speech is one turn per speaker with `overlap` True.
Turns end with the recording at the latest. Digital silence never reaches the network. Recordings
are passed in memory, so FFmpeg is not needed. The ResNet that embeds processes each window once,
not three times as in the package, with the same embeddings up to rounding. A recording's turns do
not depend on other recordings.

With the option `speaker` (a model of that capability), `weights` is only a segmentation network
(https://huggingface.co/pyannote/segmentation-3.0, MIT), and speakers are told apart by that model's
embeddings: see _voices.py. This is the embedded default.

Otherwise `weights` is a folder as on the hub: config.yaml, segmentation/, embedding/, plda/. The
networks are pickles, opened only if their sha256 is the recorded one. Downloading from the hub
needs a token (HF_TOKEN); this backend downloads nothing, and the package's telemetry is off.

Options: `speakers`, if their number is known, or `min_speakers` and `max_speakers` (none of them
with `speaker`, which estimates the number); `segmentation_batch`, windows of ten seconds per batch,
and `embedding_batch`, speakers in windows per batch (both halved when memory runs out); `threads`,
CPU threads. float32: the package asks for reproducible results. Needs pyannote.audio, pyyaml,
torch, torchaudio.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from scripts.backends.device import free, pick
from scripts.backends.diarization import DiarizationBackend, SpeakerTurn, _voices
from scripts.common.errors import UserError, out_of_memory
from scripts.common.weights import loading, path, pinned
from scripts.workflow.model_spec import ModelSpec

ENV = ("torch", "core")
GPU = True

WHO = "diarization/pyannote"
RATE = 16_000
STEP = 2.0  # seconds between windows when only a segmentation network is used
PIPELINES = (
    "pyannote.audio.pipelines.SpeakerDiarization",
    "pyannote.audio.pipelines.speaker_diarization.SpeakerDiarization",
)


def load(
    weights: str = "pyannote-community-1",
    speakers: int | None = None,
    min_speakers: int | None = None,
    max_speakers: int | None = None,
    speaker: ModelSpec | None = None,
    segmentation_batch: int = 32,
    embedding_batch: int = 32,
    threads: int = 1,
    device: str = "cuda",
) -> DiarizationBackend:
    device = pick(device, WHO)
    bounds = {
        "num_speakers": speakers,
        "min_speakers": min_speakers,
        "max_speakers": max_speakers,
    }
    if any(bound is not None and bound < 1 for bound in bounds.values()):
        raise UserError(f"{WHO}: there is at least one speaker; got {bounds}.")
    if speakers and (min_speakers or max_speakers):
        raise UserError(f"{WHO}: give `speakers`, or `min_speakers` and `max_speakers`, not both.")
    if (min_speakers or 1) > (max_speakers or float("inf")):
        raise UserError(f"{WHO}: min_speakers {min_speakers} is above max_speakers {max_speakers}.")
    home = path(weights)
    if speaker:
        if any(bounds.values()):
            raise UserError(f"{WHO}: `speaker` finds how many there are; leave out {bounds}.")
        with loading(WHO, home):
            segmentation = segmentation_of(home, device, segmentation_batch, threads)
        return ByVoices(segmentation, speaker)
    with loading(WHO, home):
        check(home)
        pipeline = pipeline_of(home, device)
    pipeline.segmentation_batch_size = segmentation_batch
    pipeline.embedding_batch_size = embedding_batch
    return Pyannote(pipeline, {name: bound for name, bound in bounds.items() if bound})


def check(home: Path) -> None:
    """Raises UserError unless config.yaml describes a diarization with all files in this folder."""
    import yaml

    file = home / "config.yaml"
    if not file.exists():
        raise UserError(f"{WHO}: {file} is missing; get the model again.")
    pipeline = yaml.safe_load(file.read_text("utf-8"))["pipeline"]
    if pipeline["name"] not in PIPELINES:
        raise UserError(f"{WHO}: {file} describes {pipeline['name']}, not {PIPELINES[0]}.")
    for part in ("segmentation", "embedding", "plda"):
        place = str(pipeline["params"].get(part))
        if not place.startswith("$model/"):
            raise UserError(
                f"{WHO}: {file} takes its {part} from '{place}'; it must lie in the folder "
                f"(`{part}: $model/{part}`), as nothing is fetched from a hub here."
            )
        if part != "plda":  # plda's files are plain arrays
            network = home / place.removeprefix("$model/") / "pytorch_model.bin"
            if not network.exists():
                raise UserError(f"{WHO}: {network} is missing; get the model again.")
            pinned(network)


@contextmanager
def quietly() -> Iterator[None]:
    """For importing the package: turns off its telemetry, which is on by default, and its warning
    that it cannot decode files without FFmpeg, which is not needed."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "\ntorchcodec is not installed correctly")
        yield


def pipeline_of(home: Path, device: str):
    """The package's pipeline on a device."""
    with quietly():
        import torch
        from pyannote.audio import Pipeline
    pipeline = Pipeline.from_pretrained(home)
    pipeline.to(torch.device(device))
    model = pipeline._embedding.model_
    model.forward = functools.partial(embed, model, model.forward)
    return pipeline


def embed(model, forward, waveforms, weights=None):
    """The result of an embedder's `forward` with less work: (n, size) for (n, 1, samples), (n,
    frames).

    The package embeds the three speakers of a window separately. Silent ones (all weights 0) all
    have the same embedding, so only the first is computed; a ResNet processes the same audio only
    once for different weights.
    """
    import torch

    if weights is None:
        return forward(waveforms)
    silent = ~weights.any(dim=1)
    asked = ~silent | (silent.cumsum(0) == 1)
    place = asked.cumsum(0) - 1
    place = torch.where(silent, place[silent.int().argmax()], place)
    waveforms, weights = waveforms[asked], weights[asked]
    if not hasattr(model, "forward_frames"):
        return forward(waveforms, weights=weights)[place]
    new = torch.ones(len(waveforms), dtype=torch.bool, device=waveforms.device)
    new[1:] = (waveforms[1:] != waveforms[:-1]).flatten(1).any(dim=1)
    frames = model.forward_frames(waveforms[new])
    return model.forward_embedding(frames[new.cumsum(0) - 1], weights=weights)[place]


def segmentation_of(home: Path, device: str, batch: int, threads: int):
    """The package's Inference with the network `pytorch_model.bin` of a folder."""
    network = home / "pytorch_model.bin"
    if not network.exists():
        raise UserError(f"{WHO}: {network} is missing; get the model again.")
    pinned(network)
    with quietly():
        import torch
        from pyannote.audio import Inference, Model

        model = Model.from_pretrained(network)
    torch.set_num_threads(threads)
    if not model.specifications.powerset:
        raise UserError(f"{WHO}: {network} is no network that tells who speaks at once (powerset).")
    return Inference(
        model,
        duration=model.specifications.duration,
        step=STEP,
        skip_aggregation=True,
        batch_size=batch,
        device=torch.device(device),
    )


class ByVoices:
    """A segmentation network and a speaker model. See the contract in the package's __init__.py."""

    def __init__(self, segmentation, speaker: ModelSpec):
        from scripts import backends

        self.segmentation, self.embedder = segmentation, backends.load(speaker)

    def diarize(self, audio: np.ndarray) -> list[SpeakerTurn]:
        """Turns of (n,) float32 at 16 kHz, by start; none for digital silence."""
        if not np.any(audio):
            return []
        found = _voices.diarize(self.local(audio), audio, self.embedder, RATE)
        return turns(found, len(audio) / RATE)

    def local(self, audio: np.ndarray) -> _voices.Local:
        """The network's output for each window. The batch is halved, permanently, when memory runs
        out."""
        import torch
        from pyannote.audio.pipelines.utils.diarization import SpeakerDiarizationMixin

        waveform = torch.from_numpy(np.ascontiguousarray(audio, dtype=np.float32))[None]
        while True:
            try:
                chunks = self.segmentation({"waveform": waveform, "sample_rate": RATE})
                break
            except Exception as error:
                batch = self.segmentation.batch_size
                if not out_of_memory(error) or batch == 1:
                    raise
            self.segmentation.batch_size = batch // 2
            free()
            print(f"{WHO}: memory ran out; going on with {batch // 2} windows at a time")
        frames = self.segmentation.model.receptive_field
        count = SpeakerDiarizationMixin.speaker_count(chunks, frames, warm_up=(0.0, 0.0))
        windows = chunks.sliding_window
        return _voices.Local(
            talks=chunks.data,
            first=np.array(
                [
                    frames.closest_frame(windows[n].start + frames.duration / 2)
                    for n in range(len(chunks))
                ]
            ),
            count=count.data[:, 0],
            start=frames.start + frames.duration / 2,
            step=frames.step,
        )


class Pyannote:
    """See the contract in scripts/backends/diarization/__init__.py."""

    def __init__(self, pipeline, bounds: dict[str, int]):
        self.pipeline, self.bounds = pipeline, bounds

    def diarize(self, audio: np.ndarray) -> list[SpeakerTurn]:
        """Turns of (n,) float32 at 16 kHz, by start; none for digital silence."""
        import torch

        if not np.any(audio):
            return []
        waveform = torch.from_numpy(np.ascontiguousarray(audio, dtype=np.float32))[None]
        found = self._run({"waveform": waveform, "sample_rate": RATE})
        tracks = found.speaker_diarization.itertracks(yield_label=True)
        spans = [(span.start, span.end, str(speaker)) for span, _, speaker in tracks]
        return turns(spans, len(audio) / RATE)

    def _run(self, file: dict):
        """The package's result. Both batch sizes are halved, permanently, when memory runs out."""
        pipeline = self.pipeline
        while True:
            try:
                return pipeline(file, **self.bounds)
            except ValueError as error:
                if "n_clusters" not in str(error):
                    raise
                raise UserError(
                    f"{WHO}: a recording of {file['waveform'].shape[1] / RATE:.1f} s is too short "
                    f"to tell as many speakers apart as was asked for ({self.bounds})."
                ) from error
            except Exception as error:
                if not out_of_memory(error):
                    raise
                sizes = (pipeline.segmentation_batch_size, pipeline.embedding_batch_size)
                if max(sizes) == 1:
                    raise UserError(
                        f"{WHO}: memory ran out on one window of a recording of "
                        f"{file['waveform'].shape[1] / RATE:.0f} s; use a larger device."
                    ) from error
            halves = [max(1, size // 2) for size in sizes]
            pipeline.segmentation_batch_size, pipeline.embedding_batch_size = halves
            free()
            print(f"{WHO}: memory ran out; going on with {halves[0]} and {halves[1]} at a time")


def turns(spans: Iterable[tuple[float, float, str]], duration: float) -> list[SpeakerTurn]:
    """Possibly overlapping spans (start, end, speaker) as turns within `duration`.

    Each span is split where another speaker starts or stops.
    """
    inside = [(max(0.0, start), min(end, duration), who) for start, end, who in spans]
    waiting = sorted((span for span in inside if span[0] < span[1]), reverse=True)
    edges = sorted({time for start, end, _ in waiting for time in (start, end)})
    talking: list[tuple[float, float, str]] = []
    found: list[SpeakerTurn] = []
    last: dict[str, int] = {}  # index in `found` of a speaker's last turn
    for start, end in pairwise(edges):
        talking = [span for span in talking if span[1] > start]
        while waiting and waiting[-1][0] <= start:
            talking.append(waiting.pop())
        speakers = {who for _, _, who in talking}
        for who in speakers:
            turn = found[last[who]] if who in last else None
            overlap = len(speakers) > 1
            if turn and turn.end == start and turn.overlap == overlap:
                found[last[who]] = replace(turn, end=end)
            else:
                last[who] = len(found)
                found.append(SpeakerTurn(start, end, who, overlap))
    return sorted(found)

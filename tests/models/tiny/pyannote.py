"""A small diarization pipeline in the layout of community-1 that finds one speaker in any sound.

The decisive weights of the segmentation network are set by hand: all its biases are 0, so a silent
window gives exactly 0 (nobody) and any other sound something else (the first speaker). The
embeddings are random and close to each other.
"""

from __future__ import annotations

from pathlib import Path

from scripts.backends.diarization.pyannote import quietly

MODELS = ("pyannote-community-1",)

NUMBERS = 32  # of an embedding
WINDOW = 10.0  # s
# The published file with windows every 5 s, not every second: this is to be quick on a CPU.
CONFIG = """\
dependencies:
  pyannote.audio: 4.0.0

pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: VBxClustering
    segmentation: $model/segmentation
    segmentation_batch_size: 32
    segmentation_step: 0.5
    embedding: $model/embedding
    embedding_batch_size: 32
    embedding_exclude_overlap: true
    plda: $model/plda

params:
  clustering:
    threshold: 0.6
    Fa: 0.07
    Fb: 0.8
  segmentation:
    min_duration_off: 0.0
"""
NOBODY, FIRST, FIRST_AND_SECOND = 0, 1, 4  # classes of the network, of 7


def build(name: str, home: Path) -> None:
    with quietly():
        import pyannote.audio  # noqa: F401
    (home / "config.yaml").write_text(CONFIG, encoding="utf-8")
    save(segmentation(FIRST), home / "segmentation")
    save(embedding(), home / "embedding")
    plda(home / "plda")


def segmentation(heard: int):
    """A network that outputs the class `heard` for any sound."""
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

    size = {"hidden_size": 8, "num_layers": 1}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = PyanNet(lstm=size, linear=size)
        net.specifications = Specifications(
            problem=Problem.MONO_LABEL_CLASSIFICATION,
            resolution=Resolution.FRAME,
            duration=WINDOW,
            classes=["speaker#1", "speaker#2", "speaker#3"],
            powerset_max_classes=2,
            permutation_invariant=True,
        )
        net.build()
    with torch.no_grad():
        for key, value in net.named_parameters():
            if "bias" in key:
                value.zero_()
        # A leaky relu of x and of -x: their sum grows with how far x is from 0.
        half = net.linear[0].weight[:4]
        net.linear[0].weight[4:] = -half
        net.classifier.weight.zero_()
        net.classifier.weight[heard] = 1e6
        net.classifier.bias[NOBODY] = 1.0
    return net


def embedding():
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import XVectorMFCC

    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = XVectorMFCC(dimension=NUMBERS, mfcc={"melkwargs": {"n_mels": 40}})
    net.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=WINDOW
    )
    return net


def save(net, folder: Path) -> None:
    """Write a network as the package's own training does, with large tensors in half precision."""
    import lightning
    import torch

    state = {
        key: value.half() if value.numel() > 10_000 else value
        for key, value in net.state_dict().items()
    }
    checkpoint = {
        "state_dict": state,
        "hyper_parameters": dict(net.hparams),
        "pytorch-lightning_version": lightning.__version__,
    }
    net.on_save_checkpoint(checkpoint)
    folder.mkdir(exist_ok=True)
    torch.save(checkpoint, folder / "pytorch_model.bin")


def plda(folder: Path) -> None:
    """Write the transform of embeddings into the clustering space, of half as many dimensions."""
    import numpy as np

    rng, kept = np.random.default_rng(0), NUMBERS // 2
    folder.mkdir()
    np.savez(
        folder / "xvec_transform.npz",
        mean1=np.zeros(NUMBERS),
        mean2=np.zeros(kept),
        lda=np.linalg.qr(rng.standard_normal((NUMBERS, kept)))[0],
    )
    np.savez(
        folder / "plda.npz", mu=np.zeros(kept), tr=np.eye(kept), psi=np.linspace(2.0, 0.5, kept)
    )

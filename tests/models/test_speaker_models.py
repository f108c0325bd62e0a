"""The speaker embedders through their own packages, on tiny checkpoints."""

from __future__ import annotations

import shutil
import socket

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts import backends
from scripts.backends import speaker
from scripts.backends.speaker import campplus_funasr, ecapa_speechbrain, embed_alike
from scripts.common.errors import UserError
from scripts.setup.download import write_receipt
from scripts.workflow.model_spec import ModelSpec

MODELS = [
    ("speaker", "campplus_funasr", "campplus-zh-cn", 192),
    ("speaker", "ecapa_speechbrain", "ecapa-voxceleb", 192),
    ("speaker", "wavlm", "wavlm-base-plus-sv", 512),
]
CHECKPOINTS = {
    "campplus_funasr": "campplus_cn_common.bin",
    "ecapa_speechbrain": "embedding_model.ckpt",
    "wavlm": "pytorch_model.bin",
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """With networks this small, threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=MODELS, ids=[model[1] for model in MODELS], scope="module")
def embedder(request, load):
    capability, backend, weights, size = request.param
    model = load(capability, backend, weights=weights)
    assert model.size == size
    return model


@pytest.fixture(params=MODELS, ids=[model[1] for model in MODELS])
def copied(request, tiny_model, tmp_path):
    """(name of the backend, a copy of its weights, the checkpoint in it)."""
    _, backend, weights, _ = request.param
    home = tmp_path / weights
    shutil.copytree(tiny_model(weights), home)
    return backend, home, home / CHECKPOINTS[backend]


def opened(backend, home, device="cpu"):
    options = {"weights": str(home), "device": device}
    return backends.load(ModelSpec("speaker", backend, options))


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def unit(rows) -> np.ndarray:
    rows = np.asarray(rows)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_it_keeps_the_contract(embedder, hum):
    speaker.accept(embedder, hum)


def test_a_row_does_not_depend_on_its_neighbours(embedder, hum, monkeypatch):
    monkeypatch.setattr(embedder, "batch", 8)  # as on a GPU
    lengths = (48_000, 40_000, 40_079, 40_080, 40_000, 24_000, 9_000)
    clips = [hum[:length] + noise(length, seed) for seed, length in enumerate(lengths)]
    together = embedder.embed(clips)
    alone = np.concatenate([embedder.embed([clip]) for clip in clips])
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(embedder.embed(clips[::-1])[::-1] - together).max() < 1e-5
    # ... while other clips have other rows, which makes the above worth saying.
    others = (together @ together.T)[~np.eye(len(clips), dtype=bool)]
    assert others.max() < 1 - 1e-5


def test_a_short_clip_is_repeated_and_an_empty_one_refused(embedder):
    clip = noise(3_000)
    rows = embedder.embed([clip, np.resize(clip, 8_000), clip[:1], np.zeros(20, np.float32)])
    assert np.abs(rows[0] - rows[1]).max() < 1e-6
    assert np.isfinite(rows).all()
    with pytest.raises(ValueError, match="clip 1 has no samples"):
        embedder.embed([clip, clip[:0]])


def test_when_memory_runs_out_the_batch_is_halved(embedder, monkeypatch):
    monkeypatch.setattr(embedder, "batch", 8)
    clips = [noise(8_000, seed) for seed in range(5)]
    expected, read, sizes = embedder.embed(clips), embedder._read, []

    def small(stack):
        sizes.append(len(stack))
        if len(stack) > room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return read(stack)

    monkeypatch.setattr(embedder, "_read", small)
    room = 2
    assert np.abs(embedder.embed(clips) - expected).max() < 1e-5
    assert sizes == [5, 2, 2, 1]
    room = 0
    with pytest.raises(UserError, match="memory ran out on a single item of length 8000"):
        embedder.embed(clips)


def test_campplus_is_the_package_s_own_embedding(load, tiny_model, hum):
    from funasr import AutoModel

    ours = load("speaker", "campplus_funasr", weights="campplus-zh-cn")
    home = str(tiny_model("campplus-zh-cn"))
    theirs = AutoModel(model=home, device="cpu", disable_update=True, disable_pbar=True, ncpu=1)
    for clip in (hum, noise(12_345)):
        found = theirs.generate(input=clip)[0]["spk_embedding"]
        assert np.abs(ours.embed([clip]) - unit(found)).max() < 1e-5


def test_ecapa_is_the_package_s_own_embedding(load, hum):
    ours = load("speaker", "ecapa_speechbrain", weights="ecapa-voxceleb")
    for clip in (hum, noise(12_345)):
        found = ours.model.encode_batch(torch.from_numpy(clip)[None])[:, 0]
        assert np.abs(ours.embed([clip]) - unit(found)).max() < 1e-5


def test_wavlm_is_the_package_s_own_embedding(load, tiny_model, hum):
    from transformers import Wav2Vec2FeatureExtractor, WavLMForXVector

    home = tiny_model("wavlm-base-plus-sv")
    ours = load("speaker", "wavlm", weights="wavlm-base-plus-sv")
    scale = Wav2Vec2FeatureExtractor.from_pretrained(home)
    net = WavLMForXVector.from_pretrained(home).eval()
    for clip in (hum, 0.1 + noise(12_345)):
        with torch.inference_mode():
            found = net(**scale(clip, sampling_rate=16_000, return_tensors="pt")).embeddings
        assert np.abs(ours.embed([clip]) - unit(found)).max() < 1e-5


def test_nothing_reaches_for_a_hub(copied, monkeypatch, hum):
    """ECAPA's own yaml names one, and the variables that forbid it may not be set."""
    backend, home, _ = copied
    monkeypatch.delenv("HF_HUB_OFFLINE")

    def refuse(*_):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert opened(backend, home).embed([hum]).shape[0] == 1


def test_loading_leaves_the_number_of_threads_alone(copied):
    backend, home, _ = copied
    assert torch.get_num_threads() == 1
    opened(backend, home)
    assert torch.get_num_threads() == 1


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_read(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for _, backend, _, _ in MODELS:
        spec = ModelSpec("speaker", backend, {"weights": "no/where"})
        with pytest.raises(UserError, match=f"speaker/{backend} is to run on a GPU.*device: cpu"):
            backends.load(spec)
        spec.options["device"] = "cpu"
        with pytest.raises(UserError, match="no/where does not exist"):
            backends.load(spec)


def test_a_changed_pickle_is_not_opened(copied):
    backend, home, checkpoint = copied
    checkpoint.write_bytes(checkpoint.read_bytes() + b"x")
    with pytest.raises(UserError, match="can run code when it is opened"):
        opened(backend, home)


def test_a_pickle_without_a_receipt_is_not_opened(copied):
    backend, home, _ = copied
    (home / "receipt.json").unlink()
    with pytest.raises(UserError, match="no receipt.json vouches"):
        opened(backend, home)


def damaged(state):
    lost = next(key for key in state if key.endswith("weight"))
    yield "lacks", {key: value for key, value in state.items() if key != lost}
    key = next(key for key, value in state.items() if value.ndim > 1)
    yield "shape", state | {key: state[key][..., :-1].clone()}
    yield "foreign", {"another.weight": torch.zeros(3)}


@pytest.mark.parametrize("damage", ["lacks", "shape", "foreign", "cut off", "runs code"])
def test_a_checkpoint_that_does_not_fit_is_refused(copied, damage, tmp_path):
    """Though its receipt vouches for it."""
    backend, home, checkpoint = copied
    trace = tmp_path / "trace"
    if damage == "cut off":
        checkpoint.write_bytes(checkpoint.read_bytes()[:5_000])
    elif damage == "runs code":
        torch.save({"weight": Trap(trace)}, checkpoint)
    else:
        state = torch.load(checkpoint, weights_only=True)
        torch.save(dict(damaged(state))[damage], checkpoint)
    write_receipt(home, "damaged", "0" * 40)
    with pytest.raises(
        UserError, match=f"speaker/{backend}: the checkpoint in .* cannot be loaded"
    ):
        opened(backend, home)
    assert not trace.exists()


class Trap:
    """Pickles as a call that creates a file."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return open, (str(self.trace), "w")


def test_ecapa_s_yaml_which_can_run_code_is_pinned_too(tiny_model, tmp_path):
    home = tmp_path / "ecapa"
    shutil.copytree(tiny_model("ecapa-voxceleb"), home)
    trace = tmp_path / "trace"
    with (home / "hyperparams.yaml").open("a") as file:
        file.write(f"trap: !apply:builtins.open [{trace}, w]\n")
    with pytest.raises(UserError, match="hyperparams.yaml .* its receipt says"):
        opened("ecapa_speechbrain", home)
    assert not trace.exists()


def test_wavlm_reads_safetensors_where_they_are_and_no_pickle(load, tiny_model, tmp_path, hum):
    from transformers import WavLMForXVector

    home = tmp_path / "wavlm"
    shutil.copytree(tiny_model("wavlm-base-plus-sv"), home)
    WavLMForXVector.from_pretrained(home).save_pretrained(home)
    (home / "pytorch_model.bin").write_bytes(b"not to be read")
    same = load("speaker", "wavlm", weights="wavlm-base-plus-sv").embed([hum])
    assert np.abs(opened("wavlm", home).embed([hum]) - same).max() < 1e-5


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(1, 30_000), st.integers(0, 9)), max_size=12),
    st.integers(1, 5),
    st.sampled_from([campplus_funasr.frames, ecapa_speechbrain.frames]),
)
def test_a_stack_holds_clips_of_as_many_frames(shapes, batch, frames):
    def net(stack):
        assert len(stack) <= batch
        count = {frames(max(np.flatnonzero(row)[-1] + 1, 8_000)) for row in stack}
        assert len(count) == 1 and frames(stack.shape[1]) in count
        return stack[:, :2]

    clips = [np.full(length, 1 + value, np.float32) for length, value in shapes]
    rows = embed_alike(net, clips, 2, batch, frames, "test")
    assert rows.shape == (len(clips), 2) and rows.dtype == np.float32
    assert np.allclose(rows, np.sqrt(0.5))

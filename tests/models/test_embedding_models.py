"""The paper's sentence embedder through its own package, on a tiny checkpoint."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import backends
from scripts.backends import embedding
from scripts.backends.embedding.text2vec import pooling
from scripts.common.errors import UserError
from scripts.setup.download import write_receipt
from scripts.workflow import specs
from scripts.workflow.model_spec import ModelSpec
from tests.models.tiny.text2vec import CHARACTERS

NAME = "text2vec-bge-large-chinese"
SENTENCES = ("今天天气很好。", "今天天气很好！", "老师说那些学生去吃饭了吗？")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """With networks this small, threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def embedder(load):
    return load("embedding", "text2vec", weights=NAME)


@pytest.fixture(scope="module")
def package(tiny_model):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(tiny_model(NAME)), device="cpu")


@pytest.fixture
def home(tiny_model, tmp_path):
    """A copy of the weights."""
    return shutil.copytree(tiny_model(NAME), tmp_path / NAME)


def opened(home, device="cpu"):
    options = {"weights": str(home), "device": device}
    return backends.load(ModelSpec("embedding", "text2vec", options))


def test_it_keeps_the_contract(embedder):
    embedding.accept(embedder, SENTENCES)
    assert embedder.name == NAME


def test_it_is_the_package_s_own_embedding(embedder, package):
    texts = [*SENTENCES, "", "hello 你好", "雨" * 254]
    theirs = package.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    assert np.abs(embedder.embed(texts) - theirs).max() < 1e-5


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.text(CHARACTERS + "，。 a1", max_size=40), max_size=9))
def test_a_row_does_not_depend_on_its_neighbours(embedder, texts):
    rows = embedder.embed(texts)
    assert rows.shape == (len(texts), 32) and rows.dtype == np.float32
    for text, row in zip(texts, rows, strict=True):
        assert np.abs(embedder.embed([text])[0] - row).max() < 1e-5


def test_ten_minutes_of_text_are_read_to_the_end(embedder, package):
    """About 3,000 characters; the package itself stops at 256 tokens."""
    text = "".join(np.random.default_rng(0).choice(list(CHARACTERS), 3_000))
    changed = text[:-200] + "雨" * 200
    ours = embedder.embed([text, changed])
    theirs = package.encode([text, changed], show_progress_bar=False)
    assert np.abs(ours[0] - ours[1]).max() > 1e-3
    assert np.abs(theirs[0] - theirs[1]).max() < 1e-5
    # The mean over all windows: that of equal windows is the window's own.
    one, many = embedder.embed(["雨" * 254, "雨" * 254 * 8])
    assert np.abs(one - many).max() < 1e-5


def test_the_pooling_is_the_model_s_own(home):
    from sentence_transformers import SentenceTransformer

    file = home / "1_Pooling" / "config.json"
    mean = opened(home).embed(list(SENTENCES))
    stated = json.loads(file.read_text())
    stated |= {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    file.write_text(json.dumps(stated))
    ours = opened(home).embed(list(SENTENCES))
    package = SentenceTransformer(str(home), device="cpu")
    theirs = package.encode(list(SENTENCES), normalize_embeddings=True, show_progress_bar=False)
    assert np.abs(ours - theirs).max() < 1e-5 and np.abs(ours - mean).max() > 1e-3
    for new, mode in (("mean", "mean"), (["cls"], "cls")):
        file.write_text(json.dumps({"pooling_mode": new, "include_prompt": True}))
        assert pooling(home) == mode


@pytest.mark.parametrize("modes", ["max", ["cls", "mean"], None])
def test_another_pooling_is_refused(home, modes):
    (home / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": modes}))
    with pytest.raises(UserError, match="asks for .*cls.*mean"):
        opened(home)


def test_when_memory_runs_out_the_batch_is_halved(embedder, monkeypatch):
    texts = [CHARACTERS[: 3 + number] for number in range(5)]
    expected, read, sizes = embedder.embed(texts), embedder._read, []

    def small(windows):
        sizes.append(len(windows))
        if len(windows) > room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return read(windows)

    monkeypatch.setattr(embedder, "_read", small)
    room = 2
    assert np.abs(embedder.embed(texts) - expected).max() < 1e-5
    assert sizes == [5, 2, 2, 1]
    room = 0
    with pytest.raises(UserError, match="memory ran out on a single item"):
        embedder.embed(texts)


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_read(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="embedding/text2vec is to run on a GPU.*device: cpu"):
        opened("no/where", "cuda")


@pytest.mark.parametrize("damage", ["cut off", "lacks", "shape", "is away"])
def test_a_checkpoint_that_does_not_fit_is_refused(home, damage):
    from safetensors.torch import load_file, save_file

    file = home / "model.safetensors"
    state = load_file(file)
    key = "encoder.layer.1.output.dense.weight"
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:5_000])
    elif damage == "is away":
        file.unlink()
    else:
        value = state.pop(key)
        state |= {} if damage == "lacks" else {key: value[:, 1:].contiguous()}
        save_file(state, file, {"format": "pt"})
    with pytest.raises(
        UserError, match="embedding/text2vec: the checkpoint in .* cannot be loaded"
    ):
        opened(home)


def test_a_pickle_is_read_only_where_nothing_else_is_and_it_is_pinned(home, embedder):
    from safetensors.torch import load_file

    bad = home / "pytorch_model.bin"
    bad.write_bytes(b"not to be read")
    expected = embedder.embed(list(SENTENCES))
    assert np.array_equal(opened(home).embed(list(SENTENCES)), expected)
    state = load_file(home / "model.safetensors")
    (home / "model.safetensors").unlink()
    with pytest.raises(UserError, match="can run code when it is opened"):
        opened(home)
    torch.save(state, bad)
    write_receipt(home, "changed", "0" * 40)
    assert np.abs(opened(home).embed(list(SENTENCES)) - expected).max() < 1e-6


def test_the_paper_s_english_model_runs_beside_it():
    english = ModelSpec("embedding", "minilm")
    chinese = ModelSpec("embedding", "text2vec")
    assert specs.environment(english) == "core"
    assert specs.environment(english, chinese) == "torch"

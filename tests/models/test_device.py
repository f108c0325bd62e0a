"""The device of a model and the batching of its items; failed loading says what to do."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scripts.backends.device import in_batches, in_batches_of_pieces, pick
from scripts.common import weights
from scripts.common.errors import UserError
from scripts.setup.download import write_receipt


def test_a_gpu_that_is_not_there_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="asr/whisper is to run on a GPU .* `device: cpu`"):
        pick("cuda", "asr/whisper")
    assert pick("cpu", "asr/whisper") == "cpu"


def test_a_device_of_another_name_or_number_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick("cuda:1", "a") == "cuda:1"
    with pytest.raises(UserError, match="cuda:2 is not there; this machine has 2"):
        pick("cuda:2", "a")
    with pytest.raises(UserError, match="no device 'gpu'"):
        pick("gpu", "a")


@given(st.lists(st.text(max_size=9), max_size=20), st.integers(1, 7), st.integers(1, 30))
def test_items_keep_their_order_whatever_fits_into_memory(items, size, room):
    """`room` letters fit into a batch; one item always does."""
    seen = []

    def work(batch):
        if len(batch) > 1 and sum(map(len, batch)) > room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        seen.append(batch)
        return [text.upper() for text in batch]

    assert in_batches(work, items, size, len, "texts") == [text.upper() for text in items]
    assert all(len(batch) <= size for batch in seen)
    lengths = [len(text) for batch in seen for text in batch]
    assert lengths == sorted(lengths, reverse=True)


@given(st.lists(st.lists(st.text(max_size=9), max_size=4), max_size=9), st.integers(1, 7))
def test_an_item_is_made_with_the_last_of_its_pieces(items, size):
    made, done = {}, []

    def work(batch):
        done.extend(batch)
        return [text.upper() for text in batch]

    def take(place, results):
        made[place] = results
        assert all(text in done for text in items[place])

    found = in_batches_of_pieces(work, items, size, len, "texts", take)
    assert found == [[text.upper() for text in pieces] for pieces in items]
    assert made == {place: results for place, results in enumerate(found) if results}


def test_one_item_too_many_for_memory_is_told():
    def work(batch):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(UserError, match="texts: memory ran out on a single item of length 4"):
        in_batches(work, ["long", "a"], 2, len, "texts")


def test_another_error_is_not_taken_for_memory():
    with pytest.raises(RuntimeError, match="shapes differ"):
        in_batches(
            lambda batch: (_ for _ in ()).throw(RuntimeError("shapes differ")), [1], 1, abs, ""
        )


def test_a_pickle_is_opened_only_if_its_receipt_vouches_for_it(tmp_path):
    file = tmp_path / "inner" / "model.pt"
    file.parent.mkdir()
    file.write_bytes(b"weights")
    with pytest.raises(UserError, match="no receipt.json vouches for it"):
        weights.pinned(file)
    write_receipt(tmp_path, "hf:a/b", "0" * 40)
    assert weights.pinned(file) == file
    file.write_bytes(b"other")
    with pytest.raises(UserError, match="its receipt says .* It is not opened"):
        weights.pinned(file)
    (file.parent / "model.safetensors").touch()
    with pytest.raises(UserError, match="there is a safetensors file beside it"):
        weights.pinned(file)


def test_a_receipt_names_every_file_but_the_hubs_own(tmp_path):
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/x").touch()
    (tmp_path / "a.txt").write_text("a")
    write_receipt(tmp_path, "hf:a/b", "0" * 40)
    receipt = json.loads((tmp_path / weights.RECEIPT).read_text())
    assert list(receipt["files"]) == ["a.txt"] and receipt["source"] == "hf:a/b"


def test_whatever_goes_wrong_while_loading_becomes_one_sentence(tmp_path):
    with pytest.raises(
        UserError, match="asr/x: the checkpoint in .* cannot be loaded; .*bad magic"
    ):
        with weights.loading("asr/x", tmp_path):
            raise ValueError("bad\n magic")
    with pytest.raises(ModuleNotFoundError):
        with weights.loading("asr/x", tmp_path):
            import nothing_of_that_name  # noqa: F401

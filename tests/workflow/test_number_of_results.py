"""A backend gives one result for each item; another number is told by its name."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from scripts.backends import asr, dialogue, tts
from scripts.common.errors import UserError
from scripts.workflow import model_cache
from scripts.workflow.cache_files import CacheFiles
from scripts.workflow.model_spec import ModelSpec


def test_another_number_of_results_than_of_items_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(model_cache, "model_key", repr)
    deaf = SimpleNamespace(transcribe=lambda clips, language=None: [])
    spec = ModelSpec("asr", "deaf")
    cached = model_cache.CachedModel(spec, lambda: deaf, asr, CacheFiles(tmp_path))
    with pytest.raises(UserError, match="asr/deaf: transcribe returned 0 results for 3 items"):
        cached.transcribe([np.full(5, value, np.float32) for value in (1, 2, 3)])


@pytest.mark.parametrize(
    ("contract", "spec", "method", "result"),
    [
        (tts, ModelSpec("tts", "wide"), "speak", np.zeros(5)),
        (
            dialogue,
            ModelSpec("dialogue", "wide"),
            "reply",
            dialogue.Answer(np.zeros(5, np.int16), None, None, 1.0),
        ),
    ],
)
def test_audio_of_another_type_is_told(tmp_path, monkeypatch, contract, spec, method, result):
    monkeypatch.setattr(model_cache, "model_key", repr)
    wide = SimpleNamespace(**{method: lambda items: [result for _ in items]})
    cached = model_cache.CachedModel(spec, lambda: wide, contract, CacheFiles(tmp_path))
    with pytest.raises(UserError, match=f"/wide: {method} returned audio of type .* be float32"):
        getattr(cached, method)([1])

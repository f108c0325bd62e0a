"""What the tests of full-duplex models share: calls, loading, comparing sides."""

from __future__ import annotations

import numpy as np

from scripts import backends
from scripts.backends.duplex import RATE, Call
from scripts.common import audio
from scripts.workflow.model_spec import ModelSpec

NAMES = {"personaplex": "personaplex-7b-v1", "moshi": "moshiko"}
GREEDY = {"temperature": 0.0, "text_temperature": 0.0}
FRAME = 1920
SINE = [430, 1268, 381, 1611, 1095, 1495, 56, 472]
SILENCE = [948, 243, 1178, 546, 1736, 1030, 1978, 2008]
ROLE = "You work for the harbour office and your name is Ada Lake."


def example(hum: np.ndarray) -> Call:
    """1.5 s of a user, who is not a whole number of frames long, and 0.5 s of a voice."""
    sound = audio.resample(hum, 16_000, RATE)
    return Call(sound[:36_100], ROLE, sound[30_000:42_000], "", seed=4)


def load_from(backend: str, **options):
    return backends.load(ModelSpec("duplex", backend, {"device": "cpu"} | options))


def same(one, other) -> bool:
    return one.words == other.words and np.allclose(one.audio, other.audio, atol=1e-5)


def fed(backend, call: Call, monkeypatch):
    """The tokens that the language model is given, (streams, frames), seen where they enter it; the
    side; the frames of the prompt."""
    import torch

    seen, lm = [], backend.net.lm
    with monkeypatch.context() as patch:
        read = lm.forward_text
        patch.setattr(lm, "forward_text", lambda codes: seen.append(codes) or read(codes))
        (side,) = backend.converse([call])
    tokens = torch.cat(seen, dim=-1)[0].numpy()
    assert (tokens[:, 0] == [64] + [2048] * 16).all()
    count = tokens.shape[1] - 2
    rows = [row[1 + late :][:count] for row, late in zip(tokens, lm.delays, strict=True)]
    return np.stack(rows), side, backend.prompt_frames(call)

"""all-MiniLM-L6-v2, English sentence embeddings, 384 dimensions (the paper's model for English).

Source: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0): a BERT of six
layers with mean pooling, normalised to length 1, as in its model card. Texts of more than 256
tokens are read in windows and the mean is over all of them, so nothing is cut off. The paper calls
two English texts duplicates above a cosine of .9 (Chinese ones above .85, with `text2vec`). Needs
torch, safetensors, tokenizers.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from scripts.backends.embedding import EmbeddingBackend

ENV = ("core", "torch")
GPU = False

WINDOW = 254  # tokens per window; 256 with [CLS] and [SEP], as in the model card


def load(weights: str = "minilm", threads: int = 2, batch: int = 32) -> EmbeddingBackend:
    """Load weights/<weights>/; runs batches of `batch` windows on `threads` threads."""
    import torch

    from scripts.common.weights import path

    torch.set_num_threads(threads)
    return MiniLM(path(weights), batch)


class MiniLM:
    """See the contract in scripts/backends/embedding/__init__.py."""

    name = "all-MiniLM-L6-v2"

    def __init__(self, folder: Path, batch: int):
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        self.batch = batch
        self.size, self.net = bert(
            load_file(folder / "model.safetensors"),
            json.loads((folder / "config.json").read_text()),
        )
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.first, self.last = map(self.tokenizer.token_to_id, ("[CLS]", "[SEP]"))

    def embed(self, texts: list[str]) -> np.ndarray:
        """n texts -> (n, 384) float32 unit rows."""
        windows: list[tuple[int, list]] = []  # (number of the text, its tokens)
        for number, text in enumerate(texts):
            ids = self.tokenizer.encode(text, add_special_tokens=False).ids
            for start in range(0, max(len(ids), 1), WINDOW):
                part = ids[start : start + WINDOW]
                windows.append((number, [self.first, *part, self.last]))
        windows.sort(key=lambda window: len(window[1]))
        sums = np.zeros((len(texts), self.size), np.float32)
        for start in range(0, len(windows), self.batch):
            group = windows[start : start + self.batch]
            for (number, _), total in zip(group, self._read(group), strict=True):
                sums[number] += total
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)

    def _read(self, group: list[tuple[int, list[int]]]) -> np.ndarray:
        """Sum of each window's token vectors (in the direction of their mean)."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        ids = pad_sequence([torch.tensor(tokens) for _, tokens in group], True, padding_value=-1)
        padded = ids < 0
        with torch.inference_mode():
            vectors = self.net(ids.clamp(min=0), padded)
            return vectors.masked_fill(padded[..., None], 0).sum(dim=1).numpy()


def bert(tensors: dict, config: dict):
    """(hidden size, function (ids (b, t), padding (b, t)) -> token vectors (b, t, d)) of a BERT."""
    from torch import cat
    from torch.nn import TransformerEncoder, TransformerEncoderLayer
    from torch.nn.functional import layer_norm

    size, epsilon = config["hidden_size"], config["layer_norm_eps"]
    layer = TransformerEncoderLayer(
        size,
        config["num_attention_heads"],
        config["intermediate_size"],
        activation=config["hidden_act"],
        layer_norm_eps=epsilon,
        batch_first=True,
    )
    encoder = TransformerEncoder(layer, config["num_hidden_layers"], enable_nested_tensor=False)
    state = {}
    for number in range(config["num_hidden_layers"]):
        for kind in ("weight", "bias"):
            theirs, ours = f"encoder.layer.{number}.", f"layers.{number}."
            state[f"{ours}self_attn.in_proj_{kind}"] = cat(
                [tensors[f"{theirs}attention.self.{n}.{kind}"] for n in ("query", "key", "value")]
            )
            for name, source in (
                ("self_attn.out_proj", "attention.output.dense"),
                ("norm1", "attention.output.LayerNorm"),
                ("linear1", "intermediate.dense"),
                ("linear2", "output.dense"),
                ("norm2", "output.LayerNorm"),
            ):
                state[f"{ours}{name}.{kind}"] = tensors[f"{theirs}{source}.{kind}"]
    encoder.load_state_dict(state)
    encoder.eval()
    words, places, kinds = (
        tensors[f"embeddings.{name}_embeddings.weight"]
        for name in ("word", "position", "token_type")
    )
    weight, bias = (tensors[f"embeddings.LayerNorm.{kind}"] for kind in ("weight", "bias"))

    def read(ids, padded):
        embedded = words[ids] + places[: ids.shape[1]] + kinds[0]
        hidden = layer_norm(embedded, (size,), weight, bias, epsilon)
        return encoder(hidden, src_key_padding_mask=padded)

    return size, read

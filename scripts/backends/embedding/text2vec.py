"""text2vec-bge-large-chinese, Chinese sentence embeddings, 1,024 dimensions (the paper's model).

Source: https://huggingface.co/shibing624/text2vec-bge-large-chinese (Apache-2.0), trained by CoSENT
from BAAI/bge-large-zh-noinstruct: a BERT of 24 layers with the pooling of the model's own
`1_Pooling/config.json` (the mean, as in its card), normalised to length 1. The paper calls two
Chinese texts duplicates above a cosine of .85 (English ones above .9, with the backend `minilm`).

Options: `device`, `batch` (windows per batch). Needs torch, transformers. Half precision on a GPU:
cosines differ from the CPU's in the third decimal. Unlike the package: a text of more than the
model's 256 tokens is read in windows and pooled over all of them; sentence-transformers truncates.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from scripts.backends.device import in_batches, opened
from scripts.backends.embedding import EmbeddingBackend
from scripts.common.weights import pinned

ENV = "torch"
GPU = True

NAME = "embedding/text2vec"
LENGTH = 256  # tokens per window: max_seq_length of the model card
# Names in sentence-transformers' configs: the current ones and, after OLD, those before version 6.
OLD = "pooling_mode_"
POOLINGS = {"cls": "cls", "mean": "mean", "cls_token": "cls", "mean_tokens": "mean"}


def load(
    weights: str = "text2vec-bge-large-chinese", device: str = "cuda", batch: int = 64
) -> EmbeddingBackend:
    """Load the model in weights/<weights>/; up to `batch` windows per batch."""
    with opened(NAME, weights, device) as home:
        return Text2vec(home, device, batch)


class Text2vec:
    """See the contract in scripts/backends/embedding/__init__.py."""

    def __init__(self, home: Path, device: str, batch: int):
        import torch
        from transformers import AutoTokenizer, BertModel

        safe = (home / "model.safetensors").exists()
        if not safe:
            pinned(home / "pytorch_model.bin")
        self.name, self.device, self.batch = home.name, device, batch
        self.pooling = pooling(home)
        self.tokenizer = AutoTokenizer.from_pretrained(home)
        self.window = LENGTH - 2  # without [CLS] and [SEP]
        net, found = BertModel.from_pretrained(
            home,
            use_safetensors=safe,
            add_pooling_layer=False,
            output_loading_info=True,
            dtype=torch.float32 if device == "cpu" else torch.float16,
        )
        if missing := sorted(found["missing_keys"]):
            raise ValueError(f"{len(missing)} parameters are missing, such as {missing[0]}")
        self.net = net.to(device).eval()

    def embed(self, texts: list[str]) -> np.ndarray:
        """n texts -> (n, 1024) float32 unit rows."""
        whose, windows = [], []
        first, last = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        for number, tokens in enumerate(self._tokens(list(texts))):
            for start in range(0, max(len(tokens), 1), self.window):
                whose.append(number)
                windows.append([first, *tokens[start : start + self.window], last])
        sums = np.zeros((len(texts), self.net.config.hidden_size), np.float32)
        totals = in_batches(self._read, windows, self.batch, len, NAME)
        for number, total in zip(whose, totals, strict=True):
            sums[number] += total
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        read = self.tokenizer(
            texts, add_special_tokens=False, return_attention_mask=False, verbose=False
        )
        return read["input_ids"]

    def _read(self, windows: list[list[int]]) -> np.ndarray:
        """The token vectors of each window, pooled but not normalised."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        ids = pad_sequence([torch.tensor(tokens) for tokens in windows], True, padding_value=-1)
        ids = ids.to(self.device)
        heard = ids >= 0
        with torch.inference_mode():
            found = self.net(ids.clamp(min=0), attention_mask=heard.long())
            vectors = found.last_hidden_state.float()
            if self.pooling == "cls":
                return vectors[:, 0].cpu().numpy()
            return vectors.masked_fill(~heard[..., None], 0).sum(dim=1).cpu().numpy()


def pooling(home: Path) -> str:
    """ "cls" or "mean", as the model's own file says; without one the mean, as the model card does.

    Raises ValueError for anything else.
    """
    file = home / "1_Pooling" / "config.json"
    if not file.exists():
        return "mean"
    stated = json.loads(file.read_text("utf-8"))
    modes = stated.get("pooling_mode") or [
        key.removeprefix(OLD) for key, on in stated.items() if key.startswith(OLD) and on
    ]
    modes = [modes] if isinstance(modes, str) else modes
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise ValueError(f"1_Pooling/config.json asks for {modes}; known are {list(POOLINGS)}")
    return POOLINGS[modes[0]]

"""A tiny text2vec: a Chinese BERT in the sentence-transformers layout, as on the hub."""

from __future__ import annotations

import json
from pathlib import Path

MODELS = ("text2vec-bge-large-chinese",)

SIZE = 32
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.?!，。？！、"
CHARACTERS = "你我他她的是在有不这那个人们来去说话今天气很好冷热吃饭了吗老师学生海边山上下雨雪花开"


def build(name: str, home: Path) -> None:
    """Write the model into `home`."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *LETTERS, *(f"##{letter}" for letter in LETTERS[:36]), *CHARACTERS]
    words = list(dict.fromkeys(words))
    (home / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast(vocab={word: i for i, word in enumerate(words)})
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(home)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=SIZE,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
        initializer_range=0.5,  # a random BERT of the usual .02 gives nearly one vector to all
    )
    BertModel(config).save_pretrained(home)

    pooling = {
        "word_embedding_dimension": SIZE,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {
            "idx": 1,
            "name": "1",
            "path": "1_Pooling",
            "type": "sentence_transformers.models.Pooling",
        },
    ]
    (home / "1_Pooling").mkdir()
    for file, content in (
        ("1_Pooling/config.json", pooling),
        ("modules.json", modules),
    ):
        (home / file).write_text(json.dumps(content))

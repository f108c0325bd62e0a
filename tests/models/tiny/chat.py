"""Chat models: Qwen3, Llama 3.1 and Mistral v0.3 in their published layouts, with two layers each.

Tokenizers and chat templates are of each family's kind, but small and in our own words. Qwen3 is
trained for a few seconds on creation, on the prompts of config/prompts filled with nonsense: it
completes a started list of dialogues in the language and with the number of turns requested, or a
started profile, and answers anything else with one sentence. Its layers attend to at most `WINDOW`
tokens (Qwen3's own sliding window), so earlier text makes no difference and a prompt may be of any
length. The other two have random weights.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.models.lessons import corpus, example

MODELS = ("qwen3-8b", "llama-3.1-8b", "mistral-7b-v0.3")

WORDS = 700  # tokens of a tokenizer
WINDOW = 128
STEPS = 210
ROWS = 20  # prompts a step
SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-6,
}

QWEN = """
{%- for message in messages %}
{%- if message.role == 'assistant' and loop.last %}
{{- '<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' + message.content + '<|im_end|>\\n' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and not enable_thinking %}{{- '<think>\\n\\n</think>\\n\\n' }}
{%- endif %}
{%- endif %}
"""
LLAMA = """
{{- bos_token }}
{%- for message in messages %}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}
{{- message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
MISTRAL = """
{{- bos_token }}
{%- for message in messages %}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
{{- raise_exception('user and assistant must take turns, and the user begins') }}
{%- elif message.role == 'user' %}
{{- '[INST] ' + message.content + '[/INST]' }}
{%- else %}
{{- ' ' + message.content | trim + eos_token }}
{%- endif %}
{%- endfor %}
"""


def build(name: str, home: Path) -> None:
    """Write the model `name` into `home`."""
    import torch

    torch.manual_seed(0)
    {"qwen3-8b": qwen3, "llama-3.1-8b": llama, "mistral-7b-v0.3": mistral}[name](home)


def qwen3(home: Path) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = byte_level(special, ["<think>", "</think>"])
    files(
        home,
        tokenizer,
        QWEN,
        {
            "tokenizer_class": "Qwen2Tokenizer",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "add_bos_token": False,
            "model_max_length": 8192,
        },
    )
    number = tokenizer.token_to_id
    config = Qwen3Config(
        **SHAPE,
        vocab_size=tokenizer.get_vocab_size(),
        tie_word_embeddings=False,
        use_sliding_window=True,
        sliding_window=WINDOW,
        max_window_layers=0,
        bos_token_id=number("<|endoftext|>"),
        eos_token_id=number("<|im_end|>"),
    )
    net = Qwen3ForCausalLM(config)
    train(net, home, "<|im_end|>")
    save(
        net,
        home,
        {
            "do_sample": True,
            "temperature": 0.6,
            "top_k": 20,
            "top_p": 0.95,
            "eos_token_id": [number("<|im_end|>"), number("<|endoftext|>")],
            "pad_token_id": number("<|endoftext|>"),
        },
    )


def llama(home: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"]
    tokenizer = byte_level([*special, "<|eom_id|>", "<|eot_id|>"], [])
    files(
        home,
        tokenizer,
        LLAMA,
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<|begin_of_text|>",
            "eos_token": "<|eot_id|>",
            "model_max_length": 8192,
        },
    )
    number = tokenizer.token_to_id
    ends = [number(word) for word in ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>")]
    config = LlamaConfig(
        **SHAPE,
        vocab_size=tokenizer.get_vocab_size(),
        bos_token_id=number("<|begin_of_text|>"),
        eos_token_id=ends,
    )
    net = LlamaForCausalLM(config)
    letters_only(net, tokenizer)
    save(net, home, {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "eos_token_id": ends})


def mistral(home: Path) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    tokenizer = sentence_piece(["<unk>", "<s>", "</s>", "[INST]", "[/INST]"])
    files(
        home,
        tokenizer,
        MISTRAL,
        {
            "tokenizer_class": "LlamaTokenizer",
            "unk_token": "<unk>",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "add_bos_token": True,
            "add_prefix_space": None,
            "legacy": False,
        },
    )
    config = MistralConfig(
        **SHAPE,
        vocab_size=tokenizer.get_vocab_size(),
        sliding_window=None,
        bos_token_id=1,
        eos_token_id=2,
    )
    net = MistralForCausalLM(config)
    letters_only(net, tokenizer)
    save(net, home, {"bos_token_id": 1, "eos_token_id": 2})


def letters_only(net, tokenizer) -> None:
    """Restrict a random network to Latin letters, so that a reply can be spoken.

    Logits of 0 never win: some of the random ones are positive.
    """
    import torch

    mute = [
        n for word, n in tokenizer.get_vocab().items() if not (word.isascii() and word.isalpha())
    ]
    with torch.no_grad():
        net.lm_head.weight[mute] = 0


def byte_level(special: list[str], added: list[str]):
    """A byte-level BPE as in Qwen and Llama 3; `added` are tokens that survive decoding."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    words = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=WORDS, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens([AddedToken(word, special=False, normalized=False) for word in added])
    return tokenizer


def sentence_piece(special: list[str]):
    """A character BPE with byte fallback for unknown characters, as in Mistral."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS - 256, limit_alphabet=100, max_token_length=8, show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    learnt = json.loads(tokenizer.to_str())["model"]
    words = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *learnt["vocab"]]
    tokenizer.model = models.BPE(
        {word: number for number, word in enumerate(words)},
        [tuple(pair) for pair in learnt["merges"]],
        unk_token="<unk>",
        byte_fallback=True,
        fuse_unk=True,
        ignore_merges=False,
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens(special)
    return tokenizer


def files(home: Path, tokenizer, template: str, config: dict) -> None:
    tokenizer.save(str(home / "tokenizer.json"))
    (home / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    (home / "chat_template.jinja").write_text(template, "utf-8")


def save(net, home: Path, generation: dict) -> None:
    from transformers import GenerationConfig

    net.generation_config = GenerationConfig(**generation)
    net.save_pretrained(home)


def train(net, home: Path, end: str) -> None:
    """Teach the replies: only a prompt's last tokens are seen, only the reply is in the loss."""
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(home)
    chance = random.Random(0)
    end_id = tokenizer.convert_tokens_to_ids(end)
    optimizer = torch.optim.AdamW(net.parameters(), lr=6e-3, weight_decay=0.01, betas=(0.9, 0.98))
    warm = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, STEPS, pct_start=0.15)
    net.train()
    for _ in range(STEPS):
        examples = [example(chance) for _ in range(ROWS)]
        texts, replies = [], []
        for chat, reply in examples:
            begun = chat[-1]["role"] == "assistant"
            text = tokenizer.apply_chat_template(
                chat,
                tokenize=False,
                add_generation_prompt=not begun,
                continue_final_message=begun,
                enable_thinking=False,
            )
            tail = tokenizer(text, add_special_tokens=False)["input_ids"][-WINDOW:]
            said = tokenizer(reply, add_special_tokens=False)["input_ids"]
            texts.append(tail + said + [end_id])
            replies.append(len(said) + 1)
        longest = max(map(len, texts))
        ids = torch.tensor([text + [end_id] * (longest - len(text)) for text in texts])
        labels = torch.full_like(ids, -100)
        for row, (text, reply) in enumerate(zip(texts, replies, strict=True)):
            labels[row, len(text) - reply : len(text)] = ids[row, len(text) - reply : len(text)]
        loss = net(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        warm.step()
    net.eval()

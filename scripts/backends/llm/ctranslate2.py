"""A chat model in CTranslate2's format, int8 on the CPU (default weights: Qwen2.5-Coder-Instruct).

Source: https://github.com/OpenNMT/CTranslate2 (MIT); weights by Qwen (Apache-2.0), assembled and
converted by `make weights`. Needs ctranslate2, tokenizers and jinja2; no torch.

Chats that share their beginning (the same instructions, many questions) share its computation:
put what is common first. Replies of one call are computed together, so that the last digits of
the arithmetic, and rarely a greedy word, depend on which chats are in the call.
"""

from __future__ import annotations

import os.path

ENV = "core"
GPU = False


def load(
    weights: str,
    threads: int = 2,
    batch: int = 8,
    repetition_penalty: float = 1.0,
    no_repeat_ngram: int = 0,
):
    """Load weights/<weights>/; `batch` chats are generated at once on `threads` threads.

    `repetition_penalty` (above 1) and `no_repeat_ngram` (a number of tokens) keep small models
    from saying the same thing again and again.
    """
    import ctranslate2

    from scripts.common.weights import path

    folder = path(weights)
    generator = ctranslate2.Generator(
        str(folder), device="cpu", compute_type="int8", intra_threads=threads
    )
    habits = {"repetition_penalty": repetition_penalty, "no_repeat_ngram_size": no_repeat_ngram}
    return ChatModel(weights, folder, generator, batch, habits)


class ChatModel:
    def __init__(self, name, folder, generator, batch, habits):
        from jinja2.sandbox import ImmutableSandboxedEnvironment
        from tokenizers import Tokenizer

        self.name = name
        self.generator = generator
        self.batch = batch
        self.habits = habits
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self.template = environment.from_string(template)

    def prompt(self, chat: list[dict[str, str]]) -> list[str]:
        """Tokens up to where the assistant speaks, or within the turn it has begun."""
        begun = chat[-1]["content"] if chat[-1]["role"] == "assistant" else ""
        messages = chat[:-1] if begun else chat
        text = self.template.render(messages=messages, add_generation_prompt=True)
        return self.tokenizer.encode(text + begun, add_special_tokens=False).tokens

    def generate(
        self,
        chats: list[list[dict[str, str]]],
        max_tokens: int,
        seed: int = 0,
        temperature: float = 0.0,
    ) -> list[str]:
        """One reply a chat, at most `max_tokens` long; temperature 0 takes the likeliest token."""
        import ctranslate2

        ctranslate2.set_random_seed(seed)
        sampling = {"sampling_topk": 0, "sampling_temperature": temperature, "sampling_topp": 0.95}
        prompts = [self.prompt(chat) for chat in chats]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        replies = [""] * len(prompts)
        for first in range(0, len(order), self.batch):
            group = order[first : first + self.batch]
            shared = common([prompts[i] for i in group])
            results = self.generator.generate_batch(
                [prompts[i][shared:] for i in group],
                static_prompt=prompts[group[0]][:shared],
                cache_static_prompt=False,
                include_prompt_in_result=False,
                max_length=max_tokens,
                **self.habits,
                **(sampling if temperature else {"sampling_topk": 1}),
            )
            for i, result in zip(group, results, strict=True):
                replies[i] = self.tokenizer.decode(result.sequences_ids[0]).strip()
        return replies

    def score(self, pairs) -> list[dict[str, float | int]]:
        """Summed natural log-probability of each continuation's tokens after its chat."""
        results = []
        for chat, continuation in pairs:
            prompt = self.prompt(chat)
            tokens = self.tokenizer.encode(continuation, add_special_tokens=False).tokens
            (scored,) = self.generator.score_batch([prompt + tokens], max_input_length=0)
            results.append(
                {"logprob": sum(scored.log_probs[len(prompt) - 1 :]), "tokens": len(tokens)}
            )
        return results


def common(prompts: list[list[str]]) -> int:
    """Length of the common beginning, leaving at least one token to every prompt."""
    shared = os.path.commonprefix(prompts)
    return min(len(shared), min(map(len, prompts)) - 1)

"""A chat model in CTranslate2's format, int8 on the CPU (by default Qwen2.5-Coder-Instruct).

Source: https://github.com/OpenNMT/CTranslate2 (MIT); weights by Qwen (Apache-2.0), assembled and
converted by `make weights`. Needs ctranslate2, tokenizers and jinja2; no torch.

Chats that begin alike (the same instructions, another question) share the reading of what is
common, and chats of similar length are answered together: put what is common first. The order of
the arithmetic follows the company a chat is in, so that now and then a greedy reply differs by a
word between calls.
"""

from __future__ import annotations

import functools
import os.path
from collections.abc import Callable
from pathlib import Path

ENV = "core"
GPU = False

ENDS = ("<|im_end|>", "<|endoftext|>")
STEP = 32  # writing one token takes as long as reading about this many


def load(weights: str, threads: int = 2, batch: int = 16):
    """Load weights/<weights>/; at most `batch` chats are answered together on `threads` threads."""
    import ctranslate2

    from scripts.common.weights import path

    folder = path(weights)
    start = functools.partial(
        ctranslate2.Generator, str(folder), compute_type="int8", intra_threads=threads
    )
    return ChatModel(weights, folder, start, batch)


class ChatModel:
    """See the contract in scripts/backends/llm/__init__.py."""

    def __init__(self, name: str, folder: Path, start: Callable, batch: int):
        from jinja2.sandbox import ImmutableSandboxedEnvironment
        from tokenizers import Tokenizer

        self.name = name
        self.start = start
        self.generator = start()
        self.batch = batch
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.ends = [end for end in ENDS if self.tokenizer.token_to_id(end) is not None]
        template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self.template = environment.from_string(template)

    def prompt(self, chat: list[dict[str, str]]) -> list[str]:
        """Tokens up to where the assistant speaks, or to the end of what it has begun to say."""
        begun = chat[-1]["content"] if chat[-1]["role"] == "assistant" else ""
        messages = chat[:-1] if begun else chat
        text = self.template.render(messages=messages, add_generation_prompt=True)
        return self.tokens(text + begun)

    def tokens(self, text: str) -> list[str]:
        return self.tokenizer.encode(text, add_special_tokens=False).tokens

    def generate(
        self,
        chats: list[list[dict[str, str]]],
        max_tokens: int,
        seed: int = 0,
        temperature: float = 0.0,
    ) -> list[str]:
        """One reply a chat, of at most `max_tokens` tokens; see the contract."""
        choice = {"sampling_topk": 1}
        if temperature > 0:
            self.reseed(seed)
            choice = {"sampling_topk": 50, "sampling_temperature": temperature}
        prompts = [self.prompt(chat) for chat in chats]
        replies = [""] * len(prompts)
        for group in groups([len(p) for p in prompts], self.batch, 2 * max_tokens):
            shared = common([prompts[i] for i in group])
            results = self.generator.generate_batch(
                [prompts[i][shared:] for i in group],
                static_prompt=prompts[group[0]][:shared],
                cache_static_prompt=False,
                include_prompt_in_result=False,
                end_token=self.ends,
                max_length=max_tokens,
                **choice,
            )
            for i, result in zip(group, results, strict=True):
                replies[i] = self.tokenizer.decode(result.sequences_ids[0])
        return replies

    def reseed(self, seed: int) -> None:
        """Load the model again: its threads read the seed only when they start."""
        import ctranslate2

        ctranslate2.set_random_seed(seed)
        del self.generator
        self.generator = self.start()

    def score(self, pairs: list[tuple[list[dict[str, str]], str]]) -> list[dict]:
        """Log-probability and number of tokens of each continuation; see the contract."""
        questions: dict[tuple[str, ...], list[int]] = {}
        answers = [self.tokens(continuation) for _, continuation in pairs]
        for i, (chat, _) in enumerate(pairs):
            questions.setdefault(tuple(self.prompt(chat)), []).append(i)
        results: list[dict] = [{}] * len(pairs)
        for prompt, asked in questions.items():
            longest = max(len(answers[i]) for i in asked)
            once = 0 < longest * STEP < (len(asked) - 1) * len(prompt)
            how = self._score_at_once if once else self._score_one_by_one
            scores = how(list(prompt), [answers[i] for i in asked])
            for i, logprob in zip(asked, scores, strict=True):
                results[i] = {"logprob": logprob, "tokens": len(answers[i])}
        return results

    def _score_one_by_one(self, prompt: list[str], answers: list[list[str]]) -> list[float]:
        """Read prompt and answer whole, for each answer."""
        sums = []
        for answer in answers:
            (result,) = self.generator.score_batch([prompt + answer], max_input_length=0)
            sums.append(float(sum(result.log_probs[len(prompt) - 1 :])))
        return sums

    def _score_at_once(self, prompt: list[str], answers: list[list[str]]) -> list[float]:
        """Read the prompt once; then make all answers be said, side by side, token by token."""
        import numpy as np

        results = self.generator.generate_batch(
            [prompt[-1:] + answer for answer in answers],
            static_prompt=prompt[:-1],
            cache_static_prompt=False,
            include_prompt_in_result=True,  # the answer's tokens are forced, not chosen
            return_logits_vocab=True,
            max_length=max(map(len, answers)),
            min_length=max(map(len, answers)),
            sampling_topk=1,
        )
        sums = []
        for answer, result in zip(answers, results, strict=True):
            total = 0.0
            for token, logits in zip(answer, result.logits[0], strict=False):
                values = np.array(logits).astype(np.float64)
                peak = values.max()
                index = self.tokenizer.token_to_id(token)
                total += values[index] - peak - np.log(np.exp(values - peak).sum())
            sums.append(float(total))
        return sums


def groups(lengths: list[int], size: int, spread: int) -> list[list[int]]:
    """Numbers of the prompts to be answered together: at most `size` of similar length.

    Within a group the prompts are read at once only as far as the shortest goes; from there on a
    longer prompt costs a step a token, as a reply does. A group of its own costs a whole reply, so
    lengths may differ by `spread`, some replies long.
    """
    found: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if found and len(found[-1]) < size and lengths[i] - lengths[found[-1][0]] <= spread:
            found[-1].append(i)
        else:
            found.append([i])
    return found


def common(prompts: list[list[str]]) -> int:
    """Length of the common beginning, two tokens less than the shortest prompt at most."""
    return max(0, min(len(os.path.commonprefix(prompts)), min(map(len, prompts)) - 2))

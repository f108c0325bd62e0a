"""A chat model by OpenVINO GenAI, 4 to 8 bit on the CPU (by default Qwen2.5-Coder-Instruct).

Source: https://github.com/openvinotoolkit/openvino.genai (Apache-2.0); weights by Qwen
(Apache-2.0), assembled and converted by `make weights`. Any folder in OpenVINO's format with a
tokenizer.json and a chat_template.jinja works. Needs openvino-genai, tokenizers, jinja2; no torch.

Chats are answered in parallel (continuous batching). A prefix that several share, such as the same
instructions, is read once, as is a chat that a later call continues: put what is common first, and
make one call with everything. The order of the arithmetic depends on the other chats and on what
was read before, so a greedy reply may occasionally differ by a word between calls.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from os.path import commonprefix
from pathlib import Path
from typing import Any

from scripts.backends.llm import Chat, Score, ScoringLlm, Seeds, answer_in, seeds_of
from scripts.common.errors import UserError
from scripts.common.job import made
from scripts.common.progress import progress

ENV = "core"
GPU = False

BLOCK = 32  # tokens per block of the prompt cache
READ = 512  # tokens per step


def load(
    weights: str,
    threads: int = 2,
    batch: int = 16,
    context: int = 32_768,
    repetition_penalty: float = 1.0,
) -> ScoringLlm:
    """Load weights/<weights>/; at most `batch` chats are answered together on `threads` threads.

    `context` is the most tokens that the model can read. A `repetition_penalty` above 1 makes
    tokens that are already in the chat less likely in a reply; it does not affect scores.
    """
    import openvino_genai

    from scripts.common.weights import path

    folder = path(weights)
    settings = openvino_genai.SchedulerConfig()
    settings.cache_size = 1  # GB, some 70,000 tokens of the 1.5B model
    settings.max_num_seqs = batch
    settings.max_num_batched_tokens = READ
    settings.enable_prefix_caching = True
    # Single precision on every machine: some would choose half.
    options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    start = functools.partial(
        openvino_genai.ContinuousBatchingPipeline, str(folder), settings, "CPU", options
    )
    return ChatModel(weights, folder, start, context, repetition_penalty)


class ChatModel:
    """See the contract in scripts/backends/llm/__init__.py."""

    def __init__(self, name: str, folder: Path, start: Callable, context: int, penalty: float):
        from jinja2.sandbox import ImmutableSandboxedEnvironment
        from tokenizers import Tokenizer

        self.name = name
        self.start = start
        self.pipeline = start()
        self.read: list[tuple[int, ...]] = []  # everything the pipeline has read and generated
        self.context = context
        self.penalty = penalty
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self.template = environment.from_string(template)

    def prompt(self, chat: Chat) -> list[int]:
        """Tokens up to the assistant's turn, or to the end of a turn that it is to continue."""
        begun = chat[-1]["content"] if chat[-1]["role"] == "assistant" else ""
        messages = chat[:-1] if begun else chat
        text = self.template.render(messages=messages, add_generation_prompt=True)
        found = self.tokens(text + begun)
        if len(found) >= self.context:
            raise UserError(
                f"a prompt for {self.name} has {len(found)} tokens and the model reads at most "
                f"{self.context}: shorten what is filled in. It begins: {text[:200]!r}"
            )
        return found

    def tokens(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def generate(
        self,
        chats: list[Chat],
        max_tokens: int,
        seed: Seeds = 0,
        temperature: float = 0.0,
    ) -> list[str]:
        """One reply per chat, of at most `max_tokens` tokens; see the contract."""
        choice = {"max_new_tokens": max_tokens, "repetition_penalty": self.penalty}
        prompts = [self.prompt(chat) for chat in chats]
        replies = [""] * len(chats)
        seeds = seeds_of(seed if temperature > 0 else 0, chats)
        for own in dict.fromkeys(seeds):  # apart: the same prompt may have several seeds
            places = [i for i, given in enumerate(seeds) if given == own]
            some = [prompts[i] for i in places]
            heat = {"do_sample": True, "temperature": temperature, "top_k": 50, "rng_seed": own}
            manner = heat if temperature > 0 else {"do_sample": False}
            for n, result in self.ask(some, some, **choice, **manner):
                reply = answer_in(self.tokenizer.decode(result.generated_ids))
                replies[places[n]] = reply
                made(self, "generate", places[n], reply)
        return replies

    def count(self, texts: list[str]) -> list[int]:
        """The number of tokens of each text; see the contract."""
        return [len(self.tokens(text)) for text in texts]

    def score(self, pairs: list[tuple[Chat, str]]) -> list[Score]:
        """Log-probability and number of tokens of each continuation; see the contract."""
        prompts = [self.prompt(chat) for chat, _ in pairs]
        answers = [self.tokens(continuation) for _, continuation in pairs]
        texts = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
        scores = [Score(0.0, 0)] * len(pairs)
        for n, result in self.ask(prompts, texts, max_new_tokens=1, echo=True, logprobs=1):
            # The last is the one new token's, after those of all tokens that were not cached.
            found = result.generated_log_probs[-1 - len(answers[n]) : -1]
            assert len(found) == len(answers[n])
            scores[n] = Score(float(sum(found)), len(found))
            made(self, "score", n, scores[n])
        return scores

    def ask(
        self, prompts: list[list[int]], texts: list[list[int]], **options
    ) -> Iterator[tuple[int, Any]]:
        """The place of each text and its result, as they come, after reading the prefixes that
        several prompts share.

        What earlier calls have read is not read again, unless that would change the results. Within
        a call, texts that are prefixes of others come last (see `harmful`).
        """
        once = sorted({tuple(text) for text in texts}, reverse=True)
        scored = options.get("echo", False)  # tokens that were read before get no probability
        if self.read and (scored or harmful(once, self.read)):
            self.pipeline, self.read = self.start(), []
        for head in map(tuple, heads(prompts)):
            if not any(text[: len(head)] == head for text in self.read):
                list(self.run([head], max_new_tokens=1))
        places: dict[tuple[int, ...], list[int]] = {}
        for place, text in enumerate(texts):
            places.setdefault(tuple(text), []).append(place)
        for whole, result in self.run(once, **options):
            yield from ((place, result) for place in places[whole])

    def run(self, texts: list[tuple[int, ...]], **options) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Run the model on all texts together; each, in order, with its result."""
        import numpy as np
        import openvino
        import openvino_genai

        settings = self.pipeline.get_config()
        settings.update_generation_config(**options)
        handles = [
            self.pipeline.add_request(i, openvino.Tensor(np.array([text], np.int64)), settings)
            for i, text in enumerate(texts)
        ]
        status = openvino_genai.GenerationStatus
        both = zip(texts, handles, strict=True)
        for text, handle in progress(both, len(handles), f"texts for {self.name}"):
            while handle.get_status() == status.RUNNING:
                self.pipeline.step()
            if handle.get_status() == status.IGNORED:
                raise UserError(f"{self.name}: a prompt does not fit into the cache of 1 GB.")
            (result,) = handle.read_all()
            self.read.append((*text, *result.generated_ids[:-1]))  # the last one is never read
            yield text, result


def heads(prompts: list[list[int]]) -> list[list[int]]:
    """Prefixes that several prompts share, in whole blocks, where longer than the one before.

    A head ends before the last token of its prompt, so that something is left to read.
    """
    prompts = sorted(prompts)
    found, before = [], 0
    for one, other in zip(prompts, prompts[1:], strict=False):
        shared = min(len(commonprefix([one, other])), len(one) - 1) // BLOCK
        if shared > before:
            found.append(one[: shared * BLOCK])
        before = shared
    return found


def harmful(texts: list[tuple[int, ...]], read: list[tuple[int, ...]]) -> bool:
    """Whether what was `read` before would spoil the reading of texts, which are sorted.

    It does if two of them diverge after a text that ended within a block: OpenVINO GenAI (2026.4)
    lets both write into that block. And a text that was read in full before must give the same
    result again, but the last digits would differ.
    """
    shared = {commonprefix(pair) for pair in itertools.pairwise(texts)}
    broken = [text for text in read if len(text) % BLOCK]
    return any(common[: len(text)] == text for common in shared for text in broken) or any(
        old[: len(text)] == text for text in texts for old in read
    )

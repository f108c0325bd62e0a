"""Language models. A chat is a list of {"role": "system" | "user" | "assistant", "content": str}.

A backend generates, and it scores or it chooses: local models score; services, which do not return
likelihoods of given texts, choose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, TypeGuard

from scripts.backends.replies import without_thoughts
from scripts.common.errors import UserError

KEPT = {"generate": 512, "score": 1024, "choose": 512, "count": 512}

Chat = list[dict[str, str]]
Seeds = int | list[int]


class NoReply(str):
    """An empty reply, and the `reason` why there is none."""

    reason: str

    def __new__(cls, reason: str):
        reply = super().__new__(cls, "")
        reply.reason = reason
        return reply


@dataclass(frozen=True)
class Score:
    """The summed natural log-probability of a continuation, and how many tokens it has."""

    logprob: float
    tokens: int


class LlmBackend(Protocol):
    """A language model."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def context(self) -> int | None:
        """The most tokens of a prompt with its reply; None if that is not known."""

    def count(self, texts: list[str]) -> list[int]:
        """How many tokens each text has; of a service, which does not tell, at most."""

    def generate(
        self, chats: list[Chat], max_tokens: int, seed: Seeds = 0, temperature: float = 0.0
    ) -> list[str]:
        """A reply to each chat. A last message of the assistant's is continued, and only its
        continuation is returned (a service can only be asked to begin so: what begins otherwise
        comes whole). Temperature 0 is greedy; above, a `seed` is one for all chats or a list of
        theirs. Where a service gives no reply, it is a `NoReply`."""


class ScoringLlm(LlmBackend, Protocol):
    """A model that tells how likely texts are."""

    def score(self, pairs: list[tuple[Chat, str]]) -> list[Score]:
        """Of each continuation after its chat."""


class ChoosingLlm(LlmBackend, Protocol):
    """A model that tells which of several answers it would give."""

    def choose(self, chats: list[Chat], options: list[str]) -> list[list[float] | None]:
        """For each chat the natural log-probabilities of the `options` as the answer, which sum to
        1; None, and why is printed, where there is no answer. A last message of the assistant's is
        how the answer begins."""


def scores(model: LlmBackend) -> TypeGuard[ScoringLlm]:
    """Whether a model tells how likely texts are."""
    return hasattr(model, "score")


def chooses(model: LlmBackend) -> TypeGuard[ChoosingLlm]:
    """Whether a model tells which of several answers it would give."""
    return hasattr(model, "choose")


def why_none(reply: str) -> str | None:
    """The reason for a missing reply, if the backend gives one."""
    return getattr(reply, "reason", None)


def must_score(model: LlmBackend, who: str) -> ScoringLlm:
    """The model; UserError if it cannot score texts, which `who` needs."""
    if not scores(model):
        raise UserError(
            f"{who} compares how likely texts are, which '{model.name}' does not tell: it is a "
            "service that only answers. Choose an llm that runs here, such as llm/openvino, "
            "llm/transformers or llm/vllm."
        )
    return model


def seeds_of(seed: Seeds, chats: list[Chat]) -> list[int]:
    """The seed of each chat."""
    return seed if isinstance(seed, list) else [seed] * len(chats)


def begun(chat: Chat) -> tuple[Chat, bool]:
    """The chat as a chat template expects it, and whether its last message is to be continued."""
    if chat[-1]["role"] != "assistant":
        return chat, False
    return (chat, True) if chat[-1]["content"] else (chat[:-1], False)


def answer_in(reply: str) -> str:
    """The answer of a reply, without reasoning; a `NoReply` if it ended in the middle of that."""
    said = without_thoughts(reply)
    return NoReply("its tokens were used up in thought") if reply.strip() and not said else said


def accept(backend: LlmBackend) -> None:
    """Check a backend against the contract; raises AssertionError."""
    chat = [{"role": "user", "content": "What is the capital of France? One word."}]
    first, second = backend.generate([chat, chat], max_tokens=8)
    assert isinstance(first, str) and first == second
    assert backend.generate([], max_tokens=8) == []
    few, many = backend.count(["Paris", "Paris is the capital of France. 巴黎是法国的首都。"])
    assert 1 <= few < many <= (backend.context or many)
    assert scores(backend) or chooses(backend)
    if scores(backend):
        paris, bread = backend.score([(chat, "Paris"), (chat, "Banana bread")])
        assert paris.tokens >= 1 and bread.logprob < paris.logprob <= 0
        assert backend.score([]) == []
    if chooses(backend):
        (found,) = backend.choose([chat], ["Banana bread", "Paris"])
        assert found is not None
        wrong, right = found
        assert wrong < right <= 0 and abs(math.exp(wrong) + math.exp(right) - 1) < 1e-6
        assert backend.choose([], ["Paris"]) == []

"""Language models. A chat is a list of {"role": "system" | "user" | "assistant", "content": str}.

A backend has
- `name`: what tables call it;
- `generate(chats, max_tokens, seed=0, temperature=0.0)` -> one reply a chat. If the last message is
  the assistant's, it is continued, and only the continuation is returned (a service can only be
  asked to begin that way: a reply that does not is returned whole). Temperature 0 is greedy. A
  service's missing reply is a `NoReply`;

and at least one of
- `score(pairs)`: pairs of (chat, continuation) -> a list of {"logprob": float, "tokens": int}, the
  summed natural log-probability of the continuation's tokens after the chat;
- `choose(chats, options)` -> for each chat the natural log-probabilities of the `options` (texts)
  as the answer, normalised to sum to 1; None, with the reason printed, if there is no answer. If
  the last message is the assistant's, the answer begins with it.

Local models score; services, which do not return likelihoods of given texts, choose.
"""

from __future__ import annotations

import math

from scripts.backends.replies import without_thoughts
from scripts.common.errors import UserError

KEPT = {"generate": 512, "score": 1024, "choose": 512}

Chat = list[dict[str, str]]


class NoReply(str):
    """An empty reply, and the `reason` why there is none."""

    def __new__(cls, reason: str):
        reply = super().__new__(cls, "")
        reply.reason = reason
        return reply


def why_none(reply: str) -> str | None:
    """The reason for a missing reply, if the backend gives one."""
    return getattr(reply, "reason", None)


def must_score(model, who: str) -> None:
    """Raise UserError if the model cannot score texts, which `who` needs."""
    if not hasattr(model, "score"):
        raise UserError(
            f"{who} compares how likely texts are, which '{model.name}' does not tell: it is a "
            "service that only answers. Choose an llm that runs here, such as llm/openvino, "
            "llm/transformers or llm/vllm."
        )


def begun(chat: Chat) -> tuple[Chat, bool]:
    """The chat as a chat template expects it, and whether its last message is to be continued."""
    if chat[-1]["role"] != "assistant":
        return chat, False
    return (chat, True) if chat[-1]["content"] else (chat[:-1], False)


def answer_in(reply: str) -> str:
    """The answer of a reply, without reasoning; a `NoReply` if it ended in the middle of that."""
    said = without_thoughts(reply)
    return NoReply("its tokens were used up in thought") if reply.strip() and not said else said


def accept(backend) -> None:
    """Check a backend against the contract; raises AssertionError."""
    chat = [{"role": "user", "content": "What is the capital of France? One word."}]
    first, second = backend.generate([chat, chat], max_tokens=8)
    assert isinstance(first, str) and first == second
    assert backend.generate([], max_tokens=8) == []
    assert hasattr(backend, "score") or hasattr(backend, "choose")
    if hasattr(backend, "score"):
        right, wrong = backend.score([(chat, "Paris"), (chat, "Banana bread")])
        assert right["tokens"] >= 1 and wrong["logprob"] < right["logprob"] <= 0
        assert backend.score([]) == []
    if hasattr(backend, "choose"):
        ((wrong, right),) = backend.choose([chat], ["Banana bread", "Paris"])
        assert wrong < right <= 0 and abs(math.exp(wrong) + math.exp(right) - 1) < 1e-6
        assert backend.choose([], ["Paris"]) == []

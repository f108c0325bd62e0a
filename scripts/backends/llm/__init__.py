"""Language models. A chat is a list of {"role": "system" | "user" | "assistant", "content": str}.

A backend has
- `name`: what tables call it;
- `generate(chats, max_tokens, seed=0, temperature=0.0)` -> one reply a chat. A last message of the
  assistant's is continued, and only its continuation is returned. Temperature 0 is greedy;
- `score(pairs)`: pairs of (chat, continuation) -> a list of {"logprob": float, "tokens": int}, the
  summed natural log-probability of the continuation's tokens after the chat.
"""

from __future__ import annotations

Chat = list[dict[str, str]]


def begun(chat: Chat) -> tuple[Chat, bool]:
    """The chat as a template takes it, and whether its last message is to be continued."""
    if chat[-1]["role"] != "assistant":
        return chat, False
    return (chat, True) if chat[-1]["content"] else (chat[:-1], False)


def without_thoughts(reply: str) -> str:
    """A reply without what a model thought before it; one that ended in thought is empty."""
    return reply.partition("</think>")[2].lstrip("\n") if "<think>" in reply else reply


def accept(backend) -> None:
    """Check a backend against the contract; raises AssertionError."""
    chat = [{"role": "user", "content": "What is the capital of France? One word."}]
    first, second = backend.generate([chat, chat], max_tokens=8)
    assert isinstance(first, str) and first == second
    right, wrong = backend.score([(chat, "Paris"), (chat, "Banana bread")])
    assert right["tokens"] >= 1 and wrong["logprob"] < right["logprob"] <= 0
    assert backend.generate([], max_tokens=8) == [] and backend.score([]) == []

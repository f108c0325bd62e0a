"""A chat model of any service with OpenAI's protocol: GPT-4.1, DeepSeek, Qwen, or your own server.

Paper, sections 3.1 and 3.2: GPT-4.1 writes the dialogues, GPT-4.1 and DeepSeek-V3-0324 name the
speakers; Qwen-Plus-Character answers in one of the cascades. `address` selects the service:

    https://api.openai.com/v1         OPENAI_API_KEY      gpt-4.1-2025-04-14
    https://openrouter.ai/api/v1      OPENROUTER_API_KEY  deepseek/deepseek-chat-v3-0324
    https://dashscope.aliyuncs.com/compatible-mode/v1
                                      DASHSCOPE_API_KEY   qwen-plus-character
    http://127.0.0.1:8000/v1          your own vLLM, without a key

DeepSeek itself serves only newer models; the weights of V3-0324 are public (MIT), so others do.
Protocol: https://platform.openai.com/docs/api-reference/chat; each service has its own terms. Needs
openai, and a key in the environment.

Services cannot continue a partial answer: they are told to begin with it, and what they repeat is
removed; a reply that begins differently is returned whole. Nor do they report the likelihood of a
text: options are listed with letters and scored by each letter's probability as the answer
(`logprobs`); a service without logprobs has its one answer count as near certain
(scripts/services/multiple_choice.py).
"""

from __future__ import annotations

import re
from typing import Any

from scripts.backends.llm import Chat, ChoosingLlm, NoReply, Seeds, begun, seeds_of
from scripts.backends.replies import without_thoughts
from scripts.common.json_path import at, text
from scripts.services import multiple_choice
from scripts.services.client import Call, CallError, Client, Response, Result
from scripts.services.errors import short
from scripts.services.openai_chat import (
    complete,
    connection,
    message_of,
    most_of,
    most_tokens,
    spent,
)
from scripts.services.prices import widened

ENV = ("api", "core", "torch")
GPU = False
CHOICES = {"token_limit": ("max_tokens", "max_completion_tokens")}

BEGIN = "Begin your answer with exactly this, and go on from there:"
PICK = "Answer with the letter of the option that fits best, and nothing else:"


def load(
    model: str = "gpt-4.1-2025-04-14",
    address: str = "https://api.openai.com/v1",
    key: str = "OPENAI_API_KEY",
    version: str | None = None,
    temperature: float | None = None,
    least_tokens: int = 256,
    token_limit: str = "max_tokens",
    logprobs: bool = True,
    context: int | None = None,
    extra: dict | None = None,
) -> ChoosingLlm:
    """Ask `model` at `address` with the key in the environment variable `key`.

    `version` is the only one whose answers are accepted (None: any). `temperature` None: as the
    stage asks. Stages limit replies for the sake of small models that ramble: no limit is lower
    than `least_tokens`, which must leave room for the thoughts of reasoning models; these also need
    `token_limit: max_completion_tokens`, and most of them `temperature: 1` and `logprobs: false`.
    `context` is the most tokens of a prompt with its reply (None: unknown, and nothing is cut).
    `extra` is added to each request unchanged, such as {thinking: {type: disabled}} for DeepSeek.
    """
    client = Client("llm/openai", model, address, key, version)
    return Chats(client, temperature, least_tokens, token_limit, logprobs, context, extra or {})


class Chats:
    """See the contract in scripts/backends/llm/__init__.py."""

    def __init__(
        self,
        client: Client,
        temperature: float | None,
        least: int,
        limit: str,
        logprobs: bool,
        context: int | None,
        extra: dict[str, Any],
    ):
        self.client, self.openai = client, connection(client)
        self.name = client.model
        self.temperature, self.least, self.limit = temperature, least, limit
        self.logprobs, self.context, self.extra = logprobs, context, extra

    def count(self, texts: list[str]) -> list[int]:
        """The most tokens that each text can have; see the contract."""
        return [most_of(text) for text in texts]

    def generate(
        self, chats: list[Chat], max_tokens: int, seed: Seeds = 0, temperature: float = 0.0
    ) -> list[str]:
        """One reply per chat; see the contract."""
        told, beginnings = [], []
        for chat in chats:
            messages, goes_on = begun(chat)
            beginnings.append(messages[-1]["content"] if goes_on else "")
            told.append(said_to(messages[:-1], BEGIN, beginnings[-1]) if goes_on else messages)
        heat = self.heat(temperature)
        calls = [
            self.call(messages, {"seed": own, "temperature": heat}, max_tokens, text_of)
            for messages, own in zip(told, seeds_of(seed, chats), strict=True)
        ]
        results = self.client.ask(calls, f"replies of {self.name}")
        self.complain(results)
        return [
            NoReply(result.reason or "no reply")
            if result.value is None
            else continuation(without_thoughts(result.value["text"]), beginning)
            for result, beginning in zip(results, beginnings, strict=True)
        ]

    def choose(self, chats: list[Chat], options: list[str]) -> list[list[float] | None]:
        """Log-probabilities of the options as the answer; see the contract."""
        found = self.chosen([(chat, tuple(options)) for chat in chats])
        return [None if row is None else multiple_choice.normal(row) for row in found]

    def chosen(self, asked: list[tuple[Chat, tuple[str, ...]]]) -> list[list[float] | None]:
        """Probabilities of the options of each (chat, options); in groups if there are many."""
        parts = [multiple_choice.groups(options) for _, options in asked]
        flat = [(chat, some) for (chat, _), own in zip(asked, parts, strict=True) for some in own]
        answers = iter(self.pick(flat))
        found = [[next(answers) for _ in own] for own in parts]
        finals = [
            (number, multiple_choice.firsts(parts[number], known))
            for number, rows in enumerate(found)
            if len(rows) == len(known := [row for row in rows if row is not None]) > 1
        ]
        last = self.chosen([(asked[number][0], some) for number, some in finals]) if finals else []
        weights = {number: row for (number, _), row in zip(finals, last, strict=True)}
        return [
            multiple_choice.combine(rows, [1.0] if len(rows) == 1 else weights.get(number))
            for number, rows in enumerate(found)
        ]

    def pick(self, asked: list[tuple[Chat, tuple[str, ...]]]) -> list[list[float] | None]:
        """Probabilities of at most `multiple_choice.TOP` options each, by the answer's letter."""
        choice: dict[str, Any] = {"temperature": self.heat(0.0)}
        if self.logprobs:
            choice |= {"logprobs": True, "top_logprobs": multiple_choice.TOP}
        calls = []
        for chat, options in asked:
            messages, goes_on = begun(chat)
            lead = [f"{messages[-1]['content']} ..."] if goes_on else []
            messages = messages[:-1] if goes_on else messages
            messages = said_to(messages, *lead, PICK, multiple_choice.listed(options))
            calls.append(self.call(messages, choice, self.least, letter_of(len(options))))
        results = self.client.ask(calls, f"choices of {self.name}")
        self.complain(results)
        return [
            None
            if result.value is None
            else multiple_choice.shares(result.value["letter"], result.value["tops"], len(options))
            for result, (_, options) in zip(results, asked, strict=True)
        ]

    def heat(self, asked: float) -> float:
        return asked if self.temperature is None else self.temperature

    def call(self, messages: Chat, choice: dict[str, Any], tokens: int, read) -> Call:
        """The call for this request; `read` extracts what is stored from the answer, or raises
        CallError."""
        tokens = max(tokens, self.least)
        parts = {"messages": messages, **choice, self.limit: tokens, "extra": self.extra}
        said = most_tokens([message["content"] for message in messages])
        most = {"input token": said, "output token": tokens}

        async def send(cuts: int) -> Response:
            reply = await complete(
                self.openai,
                model=self.client.model,
                messages=messages,
                extra_body=self.extra or None,
                **choice,
                **{self.limit: tokens * 2**cuts},
            )
            used = spent(reply, widened(most, cuts))
            return Response(read(reply, used), used, text(reply, "model"))

        return Call(parts, send, most)

    def complain(self, results: list[Result]) -> None:
        """Print each reason for calls without an answer once."""
        reasons = [result.reason for result in results if result.value is None]
        for reason in dict.fromkeys(reasons):
            print(f"{self.name}, {reasons.count(reason)} of {len(results)} calls: {reason}")


def text_of(reply: Any, used: dict[str, float]) -> dict[str, Any]:
    """The part of a reply that is stored."""
    content = text(message_of(reply, used), "content")
    if not without_thoughts(content).strip():
        raise CallError("transient", "a reply without text", raw=content, used=used)
    return {"text": content}


def letter_of(count: int):
    """A function that reads from a reply the letter, one of the first `count`, and the alternative
    tokens at its position with their log-probabilities (none if not reported)."""

    def read(reply: Any, used: dict[str, float]) -> dict[str, Any]:
        kept = text_of(reply, used)
        answer = without_thoughts(kept["text"])
        letter = multiple_choice.letter_in(answer, count)
        if letter is None:
            words = f"no letter of A to {multiple_choice.LETTERS[count - 1]}: {short(kept['text'])}"
            raise CallError("unusable", words, raw=kept["text"], used=used)
        tokens = at(reply, "choices", 0, "logprobs", "content")
        tops = multiple_choice.rivals(tokens, letter, kept["text"].rindex(answer))
        return {**kept, "letter": letter, "tops": tops}

    return read


def said_to(messages: Chat, *lines: str) -> Chat:
    """The messages with more lines at the end of the last one, which is the user's."""
    *before, last = messages
    return [*before, {**last, "content": "\n\n".join([last["content"], *lines])}]


def continuation(reply: str, beginning: str) -> str:
    """A reply without the beginning that was requested, ignoring white space; unchanged if it
    begins differently."""
    signs = [re.escape(sign) for sign in beginning if not sign.isspace()]
    found = re.match(r"\s*" + r"\s*".join(signs), reply) if signs else None
    return reply[found.end() :] if found else reply

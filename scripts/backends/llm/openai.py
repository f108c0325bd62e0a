"""A chat model of any service that speaks OpenAI's protocol: GPT-4.1, DeepSeek, Qwen, a server.

Paper, sections 3.1 and 3.2: GPT-4.1 writes the dialogues, GPT-4.1 and DeepSeek-V3-0324 name the
speakers; Qwen-Plus-Character answers in one of the cascades. `address` says whose service it is:

    https://api.openai.com/v1                           OPENAI_API_KEY    gpt-4.1-2025-04-14
    https://api.deepseek.com/v1                         DEEPSEEK_API_KEY  deepseek-flash
    https://dashscope.aliyuncs.com/compatible-mode/v1   DASHSCOPE_API_KEY qwen-plus-character
    http://127.0.0.1:8000/v1                            a vLLM of one's own, without a key

DeepSeek itself no longer serves V3-0324: its weights are public (MIT), others or a vLLM serve them.
Protocol: https://platform.openai.com/docs/api-reference/chat; each service has terms of its own.
Needs openai, and a key in the environment.

Services cannot go on from the beginning of an answer. They are asked to begin so, and what they
repeat of it is taken off; a reply that begins otherwise comes whole. Nor do they tell how likely a
text is. Where options are compared, they are listed with letters, and what counts is how likely
each letter is as the first one said (`logprobs`); a service that does not tell that gets its one
answer counted as near certain: all others have a probability of `FLOOR`.
"""

from __future__ import annotations

import math
import re
import string
import unicodedata
from typing import Any

from scripts.backends.llm import Chat, NoReply, begun, without_thoughts
from scripts.common.calls import Call, Client, Fault, Got, Result
from scripts.common.faults import short

ENV = ("api", "core", "torch")
GPU = False

CHOICES = {"token_limit": ("max_tokens", "max_completion_tokens")}
TOP = 20  # likeliest tokens that a service tells of: at most so many options in one question
FLOOR = 1e-6  # the probability of an option that is not among them
PATIENCE = 3600  # seconds; calls.py gives up sooner
BEGIN = "Begin your answer with exactly this, and go on from there:"
PICK = "Answer with the letter of the option that fits best, and nothing else:"
HAN = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")


def load(
    model: str = "gpt-4.1-2025-04-14",
    address: str = "https://api.openai.com/v1",
    key: str = "OPENAI_API_KEY",
    version: str | None = None,
    temperature: float | None = None,
    least_tokens: int = 256,
    token_limit: str = "max_tokens",
    logprobs: bool = True,
    extra: dict | None = None,
):
    """Ask `model` at `address` with the key in the environment variable `key`.

    `version` is the only one whose answers count (None: any). `temperature` None leaves it to the
    stage. Stages limit the length of replies for small models that run on: no limit is lower than
    `least_tokens`, which for models that think must leave room for it; they also need
    `token_limit: max_completion_tokens`, and most of them `temperature: 1` and `logprobs: false`.
    `extra` is sent with each request as it is, such as {thinking: {type: disabled}} for DeepSeek.
    """
    client = Client("llm/openai", model, address, key, version)
    return Chats(client, temperature, least_tokens, token_limit, logprobs, extra or {})


class Chats:
    """See the contract in scripts/backends/llm/__init__.py."""

    def __init__(
        self,
        client: Client,
        temperature: float | None,
        least: int,
        limit: str,
        logprobs: bool,
        extra: dict[str, Any],
    ):
        self.client, self.openai = client, connection(client)
        self.name = client.model
        self.temperature, self.least, self.limit = temperature, least, limit
        self.logprobs, self.extra = logprobs, extra

    def generate(
        self, chats: list[Chat], max_tokens: int, seed: int = 0, temperature: float = 0.0
    ) -> list[str]:
        """One reply a chat; see the contract."""
        told, beginnings = [], []
        for chat in chats:
            messages, goes_on = begun(chat)
            beginnings.append(messages[-1]["content"] if goes_on else "")
            told.append(said_to(messages[:-1], BEGIN, beginnings[-1]) if goes_on else messages)
        choice = {"seed": seed, "temperature": self.heat(temperature)}
        calls = [self.call(messages, choice, max_tokens, text_of) for messages in told]
        results = self.client.ask(calls, f"replies of {self.name}")
        self.complain(results)
        return [
            NoReply(result.reason or "no reply")
            if result.value is None
            else continuation(without_thoughts(result.value["text"]), beginning)
            for result, beginning in zip(results, beginnings, strict=True)
        ]

    def choose(self, chats: list[Chat], options: list[str]) -> list[list[float] | None]:
        """Log-probabilities of the options as the answer; see the contract.

        More options than a service tells the likeliest of are asked about in groups, and the best
        of each group against each other: within a group the ratios are those of its question
        (Luce's choice axiom).
        """
        found = self.chosen([(chat, tuple(options)) for chat in chats])
        return [None if row is None else normal(row) for row in found]

    def chosen(self, asked: list[tuple[Chat, tuple[str, ...]]]) -> list[list[float] | None]:
        """Probabilities of the options of each (chat, options)."""
        parts = [groups(options) for _, options in asked]
        flat = [(chat, some) for (chat, _), own in zip(asked, parts, strict=True) for some in own]
        answers = iter(self.pick(flat))
        found = [[next(answers) for _ in own] for own in parts]
        finals = [
            (number, tuple(some[best(row)] for some, row in zip(parts[number], rows, strict=True)))
            for number, rows in enumerate(found)
            if len(rows) > 1 and None not in rows
        ]
        last = self.chosen([(asked[number][0], some) for number, some in finals]) if finals else []
        weights = {number: row for (number, _), row in zip(finals, last, strict=True)}
        return [
            joined(rows, [1.0] if len(rows) == 1 else weights.get(number))
            for number, rows in enumerate(found)
        ]

    def pick(self, asked: list[tuple[Chat, tuple[str, ...]]]) -> list[list[float] | None]:
        """Probabilities of at most `TOP` options each, by the letter that the model says."""
        choice: dict[str, Any] = {"temperature": self.heat(0.0)}
        if self.logprobs:
            choice |= {"logprobs": True, "top_logprobs": TOP}
        calls = []
        for chat, options in asked:
            messages, goes_on = begun(chat)
            lines = [f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False)]
            lead = [f"{messages[-1]['content']} ..."] if goes_on else []
            messages = messages[:-1] if goes_on else messages
            messages = said_to(messages, *lead, PICK, "\n".join(lines))
            calls.append(self.call(messages, choice, self.least, letter_of(len(options))))
        results = self.client.ask(calls, f"choices of {self.name}")
        self.complain(results)
        return [
            None if result.value is None else shares(result.value, len(options))
            for result, (_, options) in zip(results, asked, strict=True)
        ]

    def heat(self, asked: float) -> float:
        return asked if self.temperature is None else self.temperature

    def call(self, messages: Chat, choice: dict[str, Any], tokens: int, read) -> Call:
        """The call that asks this; `read` takes what is kept from the answer, or raises Fault."""
        tokens = max(tokens, self.least)
        parts = {"messages": messages, **choice, self.limit: tokens, "extra": self.extra}
        most = {"input token": most_tokens(messages), "output token": tokens}

        async def send(cuts: int) -> Got:
            answer = await self.openai.chat.completions.create(
                model=self.client.model,
                messages=messages,
                extra_body=self.extra or None,
                **choice,
                **{self.limit: tokens * 2**cuts},
            )
            used = spent(answer, most)
            return Got(read(choice_of(answer, used), used), used, answer.model or "")

        return Call(parts, send, most)

    def complain(self, results: list[Result]) -> None:
        """Print why there are calls without an answer, each reason once."""
        reasons = [result.reason for result in results if result.value is None]
        for reason in dict.fromkeys(reasons):
            print(f"{self.name}, {reasons.count(reason)} of {len(results)} calls: {reason}")


LETTERS = string.ascii_uppercase[:TOP]


def connection(client: Client):
    """The SDK's client for a service. It neither retries nor follows redirects, and a server of
    ours is not asked by way of a proxy."""
    import openai

    http = openai.DefaultAsyncHttpxClient(
        timeout=PATIENCE, follow_redirects=False, trust_env=client.paid
    )
    return openai.AsyncOpenAI(
        base_url=client.address,
        api_key=client.secret or "none",
        max_retries=0,
        timeout=PATIENCE,
        http_client=http,
    )


def choice_of(answer: Any, used: dict[str, float]) -> Any:
    """The one choice of an answer; Fault where it is none, cut short or refused."""
    choices = getattr(answer, "choices", None)
    if not choices or not getattr(choices[0], "message", None):
        words = short(getattr(answer, "error", None) or str(answer))
        raise Fault("transient", f"an answer without a choice: {words}", used=used)
    choice = choices[0]
    content, refusal = choice.message.content, choice.message.refusal
    if choice.finish_reason == "length":
        raise Fault("cut", "cut at its limit of tokens", raw=content, used=used)
    if choice.finish_reason == "content_filter" or refusal:
        raise Fault(
            "refused", short(refusal or "content filter"), raw=refusal or content, used=used
        )
    if choice.finish_reason == "insufficient_system_resource":  # DeepSeek
        raise Fault("transient", choice.finish_reason, raw=content, used=used)
    return choice


def text_of(choice: Any, used: dict[str, float]) -> dict[str, Any]:
    """What is kept of a reply."""
    content = choice.message.content
    if not content or not without_thoughts(content).strip():
        raise Fault("transient", "an answer without text", raw=content, used=used)
    return {"text": content}


def letter_of(count: int):
    """Takes from an answer the letter, one of the first `count`, and the tokens that might have
    stood in its place with their log-probabilities (none where the service does not tell)."""

    def read(choice: Any, used: dict[str, float]) -> dict[str, Any]:
        kept = text_of(choice, used)
        said = letter_in(without_thoughts(kept["text"]), count)
        if said is None:
            words = f"no letter of A to {LETTERS[count - 1]}: {short(kept['text'])}"
            raise Fault("unusable", words, raw=kept["text"], used=used)
        tokens = choice.logprobs.content if choice.logprobs else None
        place = next((token for token in tokens or [] if bare(token.token) == said), None)
        tops = [[top.token, top.logprob] for top in place.top_logprobs] if place else []
        return {**kept, "letter": said, "tops": tops}

    return read


def letter_in(text: str, count: int) -> str | None:
    """The letter that an answer consists of: "B", "(B)", "**B**" or "B. Joe"; else None."""
    plain = unicodedata.normalize("NFKC", text).strip()
    found = re.fullmatch(r"[\W_]*([A-Z])(?:[\W_]*|[.):\]*_]+\s*.*)", plain, re.DOTALL)
    return found[1] if found and found[1] in LETTERS[:count] else None


def shares(value: dict[str, Any], count: int) -> list[float]:
    """Probabilities of the first `count` letters, `FLOOR` or more each."""
    mass = dict.fromkeys(LETTERS[:count], 0.0)
    for token, logprob in value["tops"] or [[value["letter"], 0.0]]:
        if bare(token) in mass:
            mass[bare(token)] += math.exp(logprob)  # "A", " A", "(A" ... are one answer
    return [max(share, FLOOR) for share in mass.values()]


def bare(token: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", token))


def groups(options: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The options in as few groups as can be asked about, of nearly the same size."""
    count = max(1, -(-len(options) // TOP))
    edges = [len(options) * number // count for number in range(count + 1)]
    return [options[first:last] for first, last in zip(edges, edges[1:], strict=False)]


def joined(rows: list[list[float] | None], weights: list[float] | None) -> list[float] | None:
    """One row from those of the groups, and the weight of each one's best; None if one lacks."""
    if weights is None or None in rows:
        return None
    pairs = zip(rows, weights, strict=True)
    return [weight * share / max(row) for row, weight in pairs for share in row]


def best(row: list[float]) -> int:
    return max(range(len(row)), key=row.__getitem__)


def normal(row: list[float]) -> list[float]:
    """Logarithms of shares of the whole, none below `FLOOR`."""
    floored = [max(share / sum(row), FLOOR) for share in row]
    return [math.log(share / sum(floored)) for share in floored]


def said_to(messages: Chat, *lines: str) -> Chat:
    """The messages with more lines at the end of the last one, which is the user's."""
    *before, last = messages
    return [*before, {**last, "content": "\n\n".join([last["content"], *lines])}]


def continuation(reply: str, beginning: str) -> str:
    """A reply without the beginning that it was asked to have, white space aside; whole if it
    begins otherwise."""
    letters = [re.escape(sign) for sign in beginning if not sign.isspace()]
    found = re.match(r"\s*" + r"\s*".join(letters), reply) if letters else None
    return reply[found.end() :] if found else reply


def spent(answer: Any, most: dict[str, float]) -> dict[str, float]:
    """The units of config/prices.tsv that an answer says it used, tokens from a service's cache
    among them; the most that it can have used, if it says nothing."""
    usage = getattr(answer, "usage", None)
    if not usage:
        return dict(most)
    heard = getattr(usage.prompt_tokens_details, "audio_tokens", None) or 0
    spoken = getattr(usage.completion_tokens_details, "audio_tokens", None) or 0
    used = {
        "input token": (usage.prompt_tokens or 0) - heard,
        "input audio token": heard,
        "output token": (usage.completion_tokens or 0) - spoken,
        "output audio token": spoken,
    }
    return {unit: amount for unit, amount in used.items() if amount}


def most_tokens(messages: Chat) -> int:
    """Tokens that messages have at most: 3 letters, or a Chinese character, each."""
    text = "".join(message["content"] for message in messages)
    wide = len(HAN.findall(text))
    return wide + (len(text) - wide) // 3 + 10 * len(messages) + 10

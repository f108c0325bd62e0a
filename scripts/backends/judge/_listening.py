"""A judge that listens: it asks a service about pairs of recordings and combines the scores.

scripts/backends/judge/_protocol.py defines the prompts and replies; a backend provides the
`Service`. The service's own SDK makes one request per shape, with gaps for texts and audio, and
each call fills the gaps with bytes: audio is read and encoded once for all metrics and orders of a
pair, and a call with a megabyte of it costs only a copy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from scripts.backends.judge import Metric, Pair, Scores, Sound, Trial, _protocol
from scripts.backends.judge._bodies import Encoded, Form, escaped
from scripts.backends.judge._protocol import TEST, Read, Unusable
from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.rows.judging import Order
from scripts.services.client import Call, CallError, Client, Response, Result
from scripts.services.prices import widened

if TYPE_CHECKING:
    import httpx

SIDES = ("test", "reference")
OVERHEAD = 100  # tokens of a request besides its texts and audio


class Service(Protocol):
    """What a backend provides for its service."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """All request parameters besides the messages, as JSON."""

    @property
    def rate(self) -> float:
        """The most tokens per second of audio."""

    def request(self, system: str, parts: Sequence[str | bytes], tokens: int) -> httpx.Request:
        """The SDK's request: a message of texts and WAV files, for a reply of at most `tokens`."""

    def encode(self, wav: bytes) -> bytes:
        """A WAV file as the SDK encodes it in JSON."""

    def headers(self, secret: str) -> dict[str, str]:
        """The headers needed; `secret` is the key, empty for a server without one."""

    def read(
        self, reply: Mapping[str, Any], most: Mapping[str, float]
    ) -> tuple[str, dict[str, float], str]:
        """Text, units used and version of a reply; usage not reported is as in `most`. Raises
        CallError for an incomplete answer."""


@dataclass(frozen=True)
class Clip:
    """A piece of audio as sent: its first `seconds`, or all of it (None)."""

    key: str
    sound: Sound
    seconds: float | None


@dataclass(frozen=True)
class Asked:
    """One call: the content for its request's gaps, in order, and its metrics."""

    fills: tuple[bytes | Clip, ...]
    most: dict[str, float]
    metrics: list[Metric]


@dataclass(frozen=True)
class Answer:
    """One call's answer on one metric, or the reason why there is none."""

    read: Read | None
    version: str | None
    reason: str | None = None
    raw: str | None = None


class Listening:
    """See the contract in scripts/backends/judge/__init__.py.

    `longest`: seconds after which each audio part is cut (None: never); `tokens`: limit of a reply,
    doubled each time one is cut off.
    """

    def __init__(
        self,
        client: Client,
        service: Service,
        protocol: _protocol.Protocol,
        order: str,
        samples: int,
        longest: float | None,
        tokens: int,
    ):
        if order not in _protocol.ORDERS:
            raise UserError(
                f"{client.service}: the order '{order}' is not known"
                f"{nearest(order, _protocol.ORDERS)}"
            )
        for name, value in (("samples", samples), ("longest", longest), ("max_tokens", tokens)):
            if value is not None and value <= 0:
                raise UserError(f"{client.service}: {name} must be above 0, it is {value}.")
        self.client, self.service, self.protocol = client, service, protocol
        self.order, self.samples, self.longest, self.tokens = order, samples, longest, tokens
        self.integer_scores = samples == 1 and order != "both"
        self.forms: dict[tuple, tuple[str, Form]] = {}  # with URL paths, by shape
        self.encoded = Encoded(service.encode)

    def judge(self, pairs: list[Pair], metrics: list[Metric]) -> list[list[Scores]]:
        """Score both sides of each pair on each metric; all calls are made at once."""
        groups = [(group, self.protocol.last(group)) for group in self.protocol.groups(metrics)]
        calls: list[Call] = []
        plans = []
        for pair in pairs:
            trials = self.trials(pair)
            tests, references = (self.clips(side.audio) for side in (pair.test, pair.reference))
            plans.append((trials, sum(clip.seconds is not None for clip in tests + references)))
            calls += self.calls(pair, tests, references, trials, groups)
        results = iter(self.client.ask(calls, "judge"))
        return [
            self.scores(trials, cut, [group for group, _ in groups], results)
            for trials, cut in plans
        ]

    def trials(self, pair: Pair) -> list[tuple[Order, int]]:
        """Order and sample of each trial of a pair."""
        first = pair.sample * self.samples
        return [
            (order, sample)
            for sample in range(first, first + self.samples)
            for order in _protocol.orders(self.order, pair.id, sample)
        ]

    def calls(
        self,
        pair: Pair,
        tests: list[Clip],
        references: list[Clip],
        trials: list[tuple[Order, int]],
        groups: list[tuple[list[Metric], str]],
    ) -> Iterator[Call]:
        """The calls for a pair: for each trial one per group of metrics, given with the text of the
        prompt about them."""
        texts = self.protocol.texts(pair)
        ready = [escaped(text) for text in texts]
        for order, sample in trials:
            a, b = (tests, references) if order == TEST else (references, tests)
            begin = [texts[0], *(clip.key for clip in a), texts[1], *(clip.key for clip in b)]
            for group, last in groups:
                fills: list[bytes | Clip] = [ready[0], *a, ready[1], *b, ready[2] + escaped(last)]
                asked = Asked(tuple(fills), self.most(fills), group)
                parts = {
                    "system": self.protocol.system,
                    "message": [*begin, texts[2], last],
                    "sample": sample,
                    "max_tokens": self.tokens,
                    **self.service.parameters,
                }
                yield Call(parts, partial(self.send, asked), asked.most)

    def clips(self, sounds: Sequence[Sound]) -> list[Clip]:
        """The audio parts of a side as sent."""
        return [self.clip(sound) for sound in sounds]

    def clip(self, sound: Sound) -> Clip:
        sha256 = sound.sha256() if sound.path is None else self.client.sha256(sound.path)
        if self.longest is None or sound.seconds <= self.longest:
            return Clip(f"sha256 {sha256}", sound, None)
        return Clip(f"sha256 {sha256}, {self.longest:g} s", sound, self.longest)

    def most(self, fills: Sequence[bytes | Clip]) -> dict[str, float]:
        """Upper bound on a call's usage. A token has at least three bytes of UTF-8."""
        texts = sum(len(fill) for fill in fills if isinstance(fill, bytes))
        clips = [fill for fill in fills if isinstance(fill, Clip)]
        heard = sum(clip.seconds or clip.sound.seconds for clip in clips)
        return {
            "input token": OVERHEAD + math.ceil((texts + len(self.protocol.system.encode())) / 3),
            "input audio token": math.ceil(heard * self.service.rate) + len(clips),
            "output token": self.tokens,
        }

    async def send(self, asked: Asked, cut: int) -> Response:
        """Send one call; `cut`: how often its reply has been cut off."""
        path, form = self.form(tuple(isinstance(fill, Clip) for fill in asked.fills), cut)
        body = form.filled(
            [
                self.encoded.get(fill.key, fill.sound, fill.seconds)
                if isinstance(fill, Clip)
                else fill
                for fill in asked.fills
            ]
        )
        reply = await self.client.post(path, body, self.service.headers(self.client.secret))
        text, used, version = self.service.read(reply, widened(asked.most, cut))
        try:
            self.protocol.read(text, asked.metrics)
        except Unusable as error:
            raise CallError("unusable", str(error), raw=text, used=used) from error
        return Response(text, used, version)

    def form(self, shape: tuple[bool, ...], cut: int) -> tuple[str, Form]:
        """The URL path and form of a request of this shape: for each part, whether it is audio."""
        if (shape, cut) not in self.forms:
            parts = [
                f"audio{number:04}".encode() if audio else f"text{number:04}"
                for number, audio in enumerate(shape)
            ]
            gaps = [
                self.service.encode(part) if isinstance(part, bytes) else part.encode()
                for part in parts
            ]
            request = self.service.request(self.protocol.system, parts, self.tokens * 2**cut)
            path = str(request.url).removeprefix(self.client.address)
            self.forms[shape, cut] = (path, Form(request.content, gaps))
        return self.forms[shape, cut]

    def scores(
        self,
        trials: list[tuple[Order, int]],
        cut: int,
        groups: list[list[Metric]],
        results: Iterator[Result],
    ) -> list[Scores]:
        """The scores of a pair, from the next of `results`; `cut` of its audio parts are cut."""
        answers = [[self.answers(next(results), group) for group in groups] for _ in trials]
        return [
            combine_trials(trials, [answer[i][k] for answer in answers], cut, self.client.model)
            for i, group in enumerate(groups)
            for k in range(len(group))
        ]

    def answers(self, result: Result, group: list[Metric]) -> list[Answer]:
        """A call's answer on each of its metrics."""
        if result.value is None:
            return [Answer(None, None, result.reason, result.raw)] * len(group)
        try:
            reads = self.protocol.read(result.value, group)
        except Unusable as error:  # stored when replies were parsed differently
            kept = Answer(None, result.version, f"the kept reply: {error}", result.value)
            return [kept] * len(group)
        return [Answer(read, result.version) for read in reads]


def combine_trials(
    trials: list[tuple[Order, int]], answers: list[Answer], cut: int, asked: str
) -> Scores:
    """The scores of one metric: means over its trials, or None if any was not answered. `asked` is
    the model that the service was asked for."""
    given, words, missing = [], [], []
    for (order, sample), answer in zip(trials, answers, strict=True):
        if answer.read is None:
            missing.append((f"{order}, sample {sample}: {answer.reason}", answer))
            continue
        first, second = answer.read.a, answer.read.b
        test, reference = (first, second) if order == TEST else (second, first)
        given.append(Trial(order=order, sample=sample, test=test, reference=reference))
        words.append(f"({order.removesuffix(' first')} is A) {answer.read.rationale}")
    scores: list[float | None] = [None, None]
    raw = reason = None
    if not missing:
        scores = [sum(getattr(trial, side) for trial in given) / len(given) for side in SIDES]
    else:
        raw, reason = missing[0][1].raw, missing[0][1].reason
        if len(trials) > 1:
            listed = "; ".join(words for words, _ in missing)
            reason = f"{len(missing)} of {len(trials)} answers are missing ({listed})"
    versions = sorted({answer.version for answer in answers if answer.version})
    return Scores(
        scores[0],
        scores[1],
        rationale="\n".join(words),
        raw=raw,
        reason=reason,
        trials=tuple(given),
        asked=asked,
        version=" + ".join(versions) or None,
        cut=cut,
    )

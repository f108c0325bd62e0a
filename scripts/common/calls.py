"""Asks services: many calls at once, each answer bought once, never more than may be spent.

A backend makes `Call`s and hands them to its `Client`. What was answered before comes from the
store (scripts/common/store.py). The rest is sent, as many at once as the lane (a model at an
address) bears, within its limits of requests and tokens a minute; the cost is reserved before a
call leaves. A call that brings nothing is asked again by the kind of its fault
(scripts/common/faults.py) until it is answered, has used up its attempts or its deadline, or is
hopeless. `config/config.yaml` has the numbers under `services`.

One call that stays without an answer has a `Result` that says why. The whole job stops, with one
sentence, if no call can fare better (a wrong key, an empty account, a budget that is spent, a
service that is down); what was answered until then is kept.

The SDKs retry, too, and hide what it costs: their retries are to be switched off.
"""

from __future__ import annotations

import asyncio
import atexit
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from scripts.common import faults, services
from scripts.common.faults import Fault
from scripts.common.lookup import loads
from scripts.common.stage import UserError, progress, run
from scripts.common.store import Store, key_of

__all__ = ["Call", "Client", "Fault", "Got", "Result"]

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds of back-off; doubled each time, half of it random
CUTS = 2  # times that the limit of tokens is doubled
DOWN = 20  # calls in a row that came to nothing by the service's fault: it is down


@dataclass(frozen=True)
class Got:
    """An answer as a backend keeps it."""

    value: Any  # JSON
    used: Mapping[str, float]  # units of config/prices.tsv
    version: str = ""  # who says to have answered; empty: the model that was asked
    blob: bytes | None = None  # audio


@dataclass(frozen=True)
class Call:
    """What is asked.

    `parts` (JSON) are all that decides the answer beside the service, its address and its model:
    messages, parameters, digests of audio, the number of the sample. `send` sends it; its argument
    says how often the answer was cut short, and doubles the limit of tokens as often. `most` is
    what it may use at most, in units of config/prices.tsv.
    """

    parts: Mapping[str, Any]
    send: Callable[[int], Awaitable[Got]]
    most: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What became of a call: a value, or None and why."""

    value: Any
    blob: bytes | None = None
    version: str | None = None
    seconds: float = 0.0  # of the attempt that was answered
    reason: str | None = None
    raw: str | None = None


class Client:
    """Asks one model of one service.

    `service` is capability/backend, `address` its base, `key` the name of the environment variable
    with its key, `version` the only version whose answers count (None: any). Raises UserError for
    an address that is not allowed, a price or limit of cost that is missing, a missing key.
    """

    def __init__(
        self, service: str, model: str, address: str, key: str, version: str | None = None
    ):
        self.service, self.model, self.key, self.version = service, model, key, version
        self.address = address.rstrip("/")
        self.rules = services.rules()
        hosts = self.rules.hosts
        for _, check, *arguments in services.needs(service, model, address, key, self.rules):
            check(*arguments)
        self.secret = services.secret(key, address, hosts, service)
        self.paid = not services.is_own(address, hosts)
        self.prices = services.price(self.rules.prices, address, model) if self.paid else {}
        self.lane = f"{model} at {self.address}"
        self.limits = self.rules.limits_of(model)
        self.store = _store(self.rules.store.absolute())
        self.session: Any = None  # of aiohttp, inside of `ask`

    def ask(self, calls: Sequence[Call], label: str) -> list[Result]:
        """The results of the calls, in order; equal calls are sent once. `label` names the work on
        the screen."""
        keys = [key_of(self.service, self.address, self.model, call.parts) for call in calls]
        results = {
            key: Result(kept.value, kept.blob, kept.version, kept.seconds)
            for key, kept in self.store.find(keys, self.version).items()
        }
        left = {key: call for key, call in zip(keys, calls, strict=True) if key not in results}
        if left:
            print(f"{label}: {len(left)} calls of {self.lane}, {len(calls) - len(left)} kept")
            results |= _runner().run(self._send(left, label))
        return [results[key] for key in keys]

    def digest(self, path: Path) -> str:
        """sha256 of a file, remembered in the store by its size and time."""
        return self.store.digest(path)

    async def _send(self, left: dict[str, Call], label: str) -> dict[str, Result]:
        import aiohttp

        connector = aiohttp.TCPConnector(limit=0)
        with ThreadPoolExecutor(self.limits.at_once) as pool:  # for SDKs that are not asynchronous
            asyncio.get_running_loop().set_default_executor(pool)
            async with aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=None)
            ) as self.session:
                return await _Work(self, left, label).done()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """POST `body` to `path` below the address; the JSON that comes back.

        Redirects are not followed: the body and the key are for this address alone.
        """
        async with self.session.post(
            f"{self.address}{path}", data=body, headers=headers, allow_redirects=False
        ) as response:
            said = await response.read()
            text = said.decode("utf-8", errors="replace")
            if 300 <= response.status < 400:
                place = response.headers.get("Location", "nowhere")
                raise Fault("fatal", f"it sends us on to {place}, which nobody allowed")
            if response.status != 200:
                raise faults.by_status(response.status, response.headers, text)
        try:
            found = loads(said.decode("utf-8-sig"))
        except ValueError as error:
            raise Fault("transient", "what came back is no JSON", raw=text) from error
        if not isinstance(found, dict) or found.get("error"):
            raise Fault("transient", f"an error under HTTP 200: {faults.short(text)}", raw=text)
        return found

    def clean(self, text: str) -> str:
        """The text without the key, should a service or an SDK have repeated it."""
        return text.replace(self.secret, f"[{self.key}]") if self.secret else text


class _Work:
    """The calls of one `ask` that have to be sent."""

    def __init__(self, client: Client, calls: dict[str, Call], label: str):
        self.client, self.rules = client, client.rules
        self.waiting = deque(calls.items())
        self.total, self.label = len(calls), label
        self.results: dict[str, Result] = {}
        self.stop: Exception | None = None
        self.down = 0  # calls in a row that the service failed
        self.gate = asyncio.Lock()  # one at a time asks the store for a place

    async def done(self) -> dict[str, Result]:
        """All results; raises what stopped the work once all that was under way has ended."""
        ticks = progress(range(self.total), self.total, self.label)
        workers = min(self.total, self.client.limits.at_once)
        await asyncio.gather(*(self.work(ticks) for _ in range(workers)))
        if self.stop is not None:
            raise self.stop
        return self.results

    async def work(self, ticks) -> None:
        while self.waiting and self.stop is None:
            key, call = self.waiting.popleft()
            try:
                self.results[key] = await self.call(key, call)
            except Exception as error:
                self.stop = self.stop or error
            next(ticks, None)

    async def call(self, key: str, call: Call) -> Result:
        """Ask until there is an answer or a reason why there is none."""
        until = time.monotonic() + self.rules.deadline
        limited, transient, cut, useless = 0, 0, 0, 0
        while True:
            attempt = await self.place(key, call, cut)
            begun = time.perf_counter()
            try:
                got = await asyncio.wait_for(call.send(cut), self.rules.timeout)
                return self.keep(attempt, got, round(time.perf_counter() - begun, 3))
            except Exception as error:
                fault = faults.of(error)
                if fault is None:
                    self.client.store.failed(attempt, "mistake", type(error).__name__)
                    raise
            except BaseException:
                self.client.store.failed(attempt, "lost", "the run was ended")
                raise
            words = self.client.clean(fault.words)
            raw = None if fault.raw is None else self.client.clean(fault.raw)
            limited += fault.kind == "limited"
            transient += fault.kind == "transient"
            cut += fault.kind == "cut"
            useless += fault.kind in ("refused", "unusable")
            wait = self.wait(fault, max(limited, transient)) if limited or transient else 0.0
            self.fail(attempt, fault, words, raw, wait)
            if fault.kind == "fatal":
                raise UserError(self.hopeless(fault, words))
            over = time.monotonic() + wait > until
            if transient > self.rules.tries or cut > CUTS or useless >= self.rules.resample or over:
                tried = limited + transient + cut + useless
                return self.give_up(fault, words, raw, tried, over)
            if self.stop is not None:
                raise self.stop
            await asyncio.sleep(wait)

    async def place(self, key: str, call: Call, cut: int) -> int:
        """Wait for a place in the lane; the cost of the call is reserved then."""
        client = self.client
        most = {unit: n * (2**cut if "output" in unit else 1) for unit, n in call.most.items()}
        tokens = sum(most.get(unit, 0.0) for unit in services.TOKENS)
        usd = services.cost(client.prices, most, client.lane) if client.paid else 0.0
        async with self.gate:
            while True:
                if self.stop is not None:
                    raise self.stop
                attempt, wait = client.store.begin(
                    key, client.lane, run.stage, client.limits, self.rules.max_usd, usd, tokens
                )
                if attempt is not None:
                    return attempt
                await asyncio.sleep(min(wait, 1.0))

    def keep(self, attempt: int, got: Got, seconds: float) -> Result:
        client, version = self.client, got.version or self.client.model
        usd = services.cost(client.prices, got.used, client.lane) if client.paid else 0.0
        if client.version is not None and version != client.version:
            words = f"it says that it is '{version}'"
            client.store.failed(attempt, "fatal", words, used=got.used, usd=usd)
            raise UserError(
                f"{client.lane}: {words}, the config asks for the version '{client.version}'. Ask "
                "for another model, or change `version`."
            )
        before = client.store.answered(
            attempt, version, got.value, got.blob, seconds, got.used, usd, client.limits.at_once
        )
        if before is not None:
            print(
                f"Warning: {client.lane} answered as '{before}' until now and answers as "
                f"'{version}': tables keep the two apart. Set `version` to have one only.",
                file=progress.screen,
            )
        self.down = 0
        return Result(got.value, got.blob, version, seconds)

    def fail(self, attempt: int, fault: Fault, words: str, raw: str | None, wait: float) -> None:
        """Write the attempt down. An answer that cannot be used is paid for like any other; where
        the service did not say what it took, what was reserved counts, unless HTTP refused it."""
        client, usd = self.client, None
        if client.paid and fault.used:
            usd = services.cost(client.prices, fault.used, client.lane)
        elif fault.status is not None:
            usd = 0.0
        client.store.failed(attempt, fault.kind, words, raw, wait, fault.used, usd)

    def wait(self, fault: Fault, times: int) -> float:
        """Seconds to wait before a call is asked again: as the service says, or longer each time;
        a random part keeps calls that failed together from coming back together."""
        if fault.kind not in ("limited", "transient"):
            return 0.0
        if fault.wait is not None:
            return fault.wait + random.uniform(0, min(1.0, 0.1 * fault.wait))
        most = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (times - 1))
        return random.uniform(most / 2, most)

    def give_up(self, fault: Fault, words: str, raw: str | None, tried: int, over: bool) -> Result:
        why = {
            "cut": "the answer was cut short at the limit of tokens",
            "refused": "the service refused",
            "unusable": "no usable answer",
        }.get(fault.kind, "the service failed")
        late = f", {self.rules.deadline:g} s are over" if over else ""
        if fault.kind in ("limited", "transient"):
            self.down += 1
            if self.down >= DOWN:
                raise UserError(
                    f"{self.client.lane} failed {self.down} calls in a row ({words}): it seems to "
                    "be down. What was answered is kept; run the same command again later."
                )
        times = "once" if tried == 1 else f"{tried} times"
        return Result(None, reason=f"{why} (asked {times}{late}): {words}", raw=raw)

    def hopeless(self, fault: Fault, words: str) -> str:
        client = self.client
        if fault.status in (401, 403):
            hint = f"Check the key in the environment variable {client.key}"
        elif faults.USED_UP.search(words):
            hint = f"The account whose key is in {client.key} has nothing left: pay, or wait"
        else:
            hint = f"Check the model's options in the config and what {client.key} may use"
        return (
            f"{client.service}: {client.lane} will not answer: {words}. {hint}; what was answered "
            "is kept, so run the same command again then."
        )


@cache
def _store(path: Path) -> Store:
    """The store, opened once in a process."""
    return Store(path)


@cache
def _runner() -> asyncio.Runner:
    """The event loop of this process: an SDK's client may be kept from one `ask` to the next."""
    runner = asyncio.Runner()
    atexit.register(runner.close)
    return runner

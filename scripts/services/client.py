"""Calls to services: many at once, each answer bought once, never more than the budget.

A backend makes `Call`s and hands them to its `Client`. Answered calls come from the store
(scripts/services/response_store.py); the rest are sent concurrently, within the endpoint's (a model
at an address) limits of concurrency, requests and tokens a minute. The cost is reserved before a
call is sent. A failed call is retried according to the kind of its error
(scripts/services/errors.py) until it succeeds, runs out of attempts or time, or cannot succeed. The
numbers are in `services` of config/config.yaml.

A call that stays unanswered gets a `Result` with the reason. The whole job stops, with one
sentence, when no call can succeed (wrong key, empty account, budget spent, service down); all
answers received by then are kept.

SDKs have retries of their own and hide what those cost: switch them off.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextvars import copy_context
from dataclasses import astuple
from functools import cache
from pathlib import Path
from typing import Any

from scripts.common import job
from scripts.common.errors import UserError
from scripts.common.json_path import mended
from scripts.common.progress import progress
from scripts.services import (
    addresses,
    errors,
    http_limits,
    prices,
    processes,
    settings,
    stop_messages,
    store_writer,
    waits,
)
from scripts.services.calls import Call, Response, Result
from scripts.services.daemon_threads import DaemonThreadPool
from scripts.services.database import Shut
from scripts.services.errors import CallError
from scripts.services.keys import cleaned
from scripts.services.ledger import Turn
from scripts.services.model_versions import same_model
from scripts.services.requirements import needs
from scripts.services.response_store import Store, key_of
from scripts.services.store_writer import StoreWriter

__all__ = ["Call", "Client", "CallError", "Response", "Result"]

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds of back-off; doubled each time, half of it random
CUTS = 2  # times that the token limit is doubled
Units = Mapping[str, float]  # of a service, by name
DOWN = 20  # consecutive failures after which the service counts as down


class Client:
    """Asks one model of one service.

    `service` is capability/backend, `address` the base URL, `key` the environment variable that
    holds the key, `version` the only one whose answers count (None: any), with or without its date
    (scripts/services/model_versions.py). Raises UserError for an address that is not allowed and
    for a missing price, cost limit or key.
    """

    def __init__(
        self, service: str, model: str, address: str, key: str, version: str | None = None
    ):
        self.service, self.model, self.key, self.version = service, model, key, version
        self.address = address.rstrip("/")
        self.rules = settings.rules()
        hosts = self.rules.hosts
        for _, check, *arguments in needs(service, model, address, key, self.rules):
            check(*arguments)
        self.secret = addresses.secret(key, address, hosts, service)
        self.paid = not addresses.is_own(address, hosts)
        self.prices = prices.price(self.rules.prices, address, model) if self.paid else {}
        self.endpoint = f"{model} at {self.address}"
        self.limits = self.rules.limits_of(model)
        self.store = _store(self.rules.store.absolute())
        self.session: Any = None  # of aiohttp, inside of `ask`

    def ask(self, calls: Sequence[Call], label: str) -> list[Result]:
        """The results of the calls, in order; equal calls are sent once. `label` is for the
        screen."""
        keys = [key_of(self.service, self.address, self.model, call.parts) for call in calls]
        results = {
            key: Result(kept.value, kept.blob, kept.version, kept.seconds)
            for key, kept in self.store.find(keys, self.version).items()
        }
        left = {key: call for key, call in zip(keys, calls, strict=True) if key not in results}
        if left:
            there = f"{len(calls) - len(left)} found in cache"
            print(f"{label}: {len(left)} calls of {self.endpoint}, {there}")
            results |= _runner().run(self._send(left, label), context=copy_context())
        return [results[key] for key in keys]

    def sha256(self, path: Path) -> str:
        """sha256 of a file, remembered in the store by its size and time."""
        return self.store.sha256(path)

    async def _send(self, left: dict[str, Call], label: str) -> dict[str, Result]:
        import aiohttp

        connector = aiohttp.TCPConnector(limit=0)
        asyncio.get_running_loop().set_default_executor(DaemonThreadPool())  # for SDKs that block
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,  # http_limits.post unpacks, and stops in time
        ) as self.session:
            return await _Work(self, left, label).done()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """POST `body` to `path` below the address; the JSON that comes back."""
        return await http_limits.post(
            self.session, f"{self.address}{path}", body, headers, self.service
        )


class _Work:
    """The calls of one `ask` that have to be sent."""

    def __init__(self, client: Client, calls: dict[str, Call], label: str):
        self.client, self.rules = client, client.rules
        self.waiting = deque(calls.items())
        self.total, self.label = len(calls), label
        self.results: dict[str, Result] = {}
        self.stop: Exception | None = None
        self.down = 0  # consecutive calls that the service failed
        self.costly = False  # whether the warning about a cost above the reservation was printed
        self.answered = time.monotonic()  # time of the last answer, or of the start
        self.gate = asyncio.Lock()  # one call at a time asks the store for a slot
        self.waits = waits.WaitReporter(label)
        self.writer = StoreWriter(self.waits)

    async def done(self) -> dict[str, Result]:
        """All results. Raises the error that stopped the work once the calls in flight have
        ended."""
        ticks = progress(range(self.total), self.total, self.label)
        workers = min(self.total, self.client.limits.at_once)
        self.client.store.patience(store_writer.AT_ONCE)
        beats = asyncio.create_task(self.beats())
        try:
            await self.writer.write(self.client.store.start)
            await asyncio.gather(*(self.work(ticks) for _ in range(workers)))
        finally:
            beats.cancel()
            self.client.store.patience()
        if self.stop is not None:
            raise self.stop
        return self.results

    async def beats(self) -> None:
        """Renew the lease on the calls in flight."""
        while True:
            with contextlib.suppress(Shut, OSError):
                self.client.store.beat()
            await asyncio.sleep(processes.BEAT)

    async def work(self, ticks) -> None:
        while self.waiting and self.stop is None:
            key, call = self.waiting.popleft()
            try:
                self.results[key] = await self.call(key, call)
            except Exception as error:
                self.stop = self.stop or error
            next(ticks, None)

    async def call(self, key: str, call: Call) -> Result:
        """Send, and retry, until there is an answer or a reason why there is none."""
        tried: Counter[str] = Counter()
        first = None  # time of the first attempt
        taken = 0.0  # seconds of attempts and of back-off
        while True:
            turn, most, usd = await self.place(key, call, tried["cut"])
            if turn.kept is not None:
                return Result(*astuple(turn.kept))
            assert turn.attempt is not None
            begun = time.monotonic()
            first = first or begun
            try:
                got = await asyncio.wait_for(call.send(tried["cut"]), self.rules.timeout)
            except BaseException as error:
                fault = errors.of(error)
                if fault is None:
                    self.abandon(turn.attempt, error)
                    raise
            else:
                seconds = round(time.monotonic() - begun, 3)
                return await self.record(turn.attempt, key, got, seconds, most, usd)
            taken += time.monotonic() - begun
            tried[fault.kind] += 1
            wait = self.wait(fault, max(tried["limited"], tried["transient"]))
            await self.fail(turn.attempt, fault, wait, most, usd)
            if fault.kind == "fatal":
                own = self.client
                why = stop_messages.hopeless(own.service, own.endpoint, own.key, fault)
                raise UserError(why)
            self.ask_later(fault, wait, max(first, self.answered))
            taken += 0.0 if fault.kind == "limited" or fault.wait is not None else wait
            late = fault.kind != "limited" and taken > self.rules.deadline
            if late or self.is_enough(tried):
                return self.give_up(fault, tried.total(), late)
            await self.pause(wait, fault.words)

    def is_enough(self, tried: Counter) -> bool:
        """Whether a call has used up its attempts."""
        rules = self.rules
        return (
            tried["transient"] > rules.tries
            or tried["cut"] > CUTS
            or tried["refused"] + tried["unusable"] >= rules.resample
        )

    def ask_later(self, fault: CallError, wait: float, since: float) -> None:
        """Stop the run if the service asks for a longer wait than the deadline, or has answered
        nothing since `since` for that long: neither is the fault of a single call."""
        endpoint, deadline = self.client.endpoint, self.rules.deadline
        if fault.wait is not None and fault.wait > deadline:
            raise UserError(stop_messages.later(endpoint, wait, deadline, fault.words))
        if fault.kind == "limited" and time.monotonic() - since + wait > deadline:
            raise UserError(stop_messages.starved(endpoint, deadline, fault.words))

    async def pause(self, seconds: float, why: str) -> None:
        """Sleep, unless the work is stopping."""
        begun = time.monotonic()
        while True:
            if self.stop is not None:
                raise self.stop
            left = begun + seconds - time.monotonic()
            if left <= 0:
                return
            self.waits.report(begun, why, left)
            await asyncio.sleep(min(left, 1.0))

    async def place(self, key: str, call: Call, cut: int) -> tuple[Turn, Units, float]:
        """Wait for a slot of the endpoint, or for another process's answer to the same call. Also
        returns the most that the call may use and the cost reserved for it."""
        client = self.client
        most = prices.widened(call.most, cut)
        many = sum(most.get(unit, 0.0) for unit in prices.TOKENS)
        usd = prices.cost(client.prices, most, client.endpoint) if client.paid else 0.0
        begun = time.monotonic()
        stage, caps, version = job.current().stage, self.rules.max_usd, client.version
        request = (key, client.endpoint, stage, client.limits, caps, usd, many, version)
        while True:
            async with self.gate:
                turn = await self.turn(request, begun)
            if not turn.wait:
                return turn, most, usd
            await self.look_again(turn, begun)

    async def turn(self, request: tuple, begun: float) -> Turn:
        """The store's decision. While the endpoint is full, the other calls wait for this one."""
        while True:
            if self.stop is not None:
                raise self.stop
            turn = await self.writer.write(lambda: self.client.store.begin(*request))
            if not turn.wait or turn.elsewhere:
                return turn
            if turn.closed and turn.wait > self.rules.deadline:
                words = f"another call was told so: {turn.why}"
                raise UserError(
                    stop_messages.later(self.client.endpoint, turn.wait, self.rules.deadline, words)
                )
            await self.look_again(turn, begun)

    async def look_again(self, turn: Turn, begun: float) -> None:
        self.waits.report(begun, turn.why, turn.wait if turn.wait > 1 else None)
        await asyncio.sleep(min(turn.wait, 1.0))

    async def record(
        self, attempt: int, key: str, got: Response, seconds: float, most: Units, reserved: float
    ) -> Result:
        """Store an answer, cleaned of our keys and of broken characters, and its cost. An answer of
        unknown cost is stored at the reserved cost before the run stops."""
        client, value = self.client, cleaned(mended(got.value))
        version = cleaned(mended(got.version)) or client.model
        usd, unknown = self.cost(got.used)
        if client.version is not None and not same_model(client.version, version):
            words = f"it says that it is '{version}'"
            await self.writer.write(
                lambda: client.store.failed(attempt, "fatal", words, used=got.used, usd=usd)
            )
            raise UserError(
                f"{client.endpoint}: {words}, the config asks for the version '{client.version}'. "
                "Ask for another model, or change `version`."
            )
        answer = {"value": value, "blob": got.blob, "version": version, "seconds": seconds}
        answer |= {"used": dict(got.used), "usd": usd}
        self.warn_of_cost(most, got.used, usd, reserved)
        before = await self.writer.record(client.store, attempt, key, answer, client.limits.at_once)
        if before is not None:
            print(
                f"Warning: {client.endpoint} answered as '{before}' until now and answers as "
                f"'{version}': tables keep the two apart. Set `version` to have one only.",
                file=job.screen(),
            )
        self.down, self.answered = 0, time.monotonic()
        if unknown is not None:
            raise unknown
        return Result(value, got.blob, version, seconds)

    def warn_of_cost(self, most: Units, used: Units, usd: float | None, reserved: float) -> None:
        """Warn, once, that a call cost more than was reserved. The service's own figure is booked,
        so nothing more is sent once the cost limit is reached."""
        if usd is None or usd <= reserved or self.costly:
            return
        self.costly = True
        print(
            f"Warning: {self.client.endpoint} says that a call used {dict(used)}, "
            f"{usd:.4f} USD, where {dict(most)}, {reserved:.4f} USD, were reserved for it: what a "
            "run costs may go beyond max_usd by the calls that are under way.",
            file=job.screen(),
        )

    def cost(self, used: Units) -> tuple[float | None, UserError | None]:
        """The cost in dollars; None, and the reason, if it is unknown."""
        client = self.client
        try:
            return prices.cost(client.prices, used, client.endpoint) if client.paid else 0.0, None
        except UserError as error:
            return None, error

    async def fail(
        self, attempt: int, fault: CallError, wait: float, most: Units, reserved: float
    ) -> None:
        """Record a failed attempt. Unusable answers are charged like any other: where the service
        does not state its usage, the reserved cost counts, unless the HTTP status was an error."""
        client, usd, unknown = self.client, None, None
        if client.paid and fault.used:
            usd, unknown = self.cost(fault.used)
            self.warn_of_cost(most, fault.used, usd, reserved)
        elif fault.status is not None:
            usd = 0.0
        await self.writer.write(
            lambda: client.store.failed(
                attempt, fault.kind, fault.words, fault.raw, wait, fault.used, usd
            )
        )
        if unknown is not None:
            raise unknown

    def abandon(self, attempt: int, error: BaseException) -> None:
        """Record an attempt that ended by a bug or by the end of the run. If that cannot be
        written, the store finds the attempt when it is opened again."""
        own = isinstance(error, Exception)
        kind, words = ("mistake", type(error).__name__) if own else ("lost", "the run was ended")
        with contextlib.suppress(Shut, OSError):
            self.client.store.failed(attempt, kind, words)

    def wait(self, fault: CallError, times: int) -> float:
        """Seconds to wait before the next attempt."""
        again = fault.kind in ("limited", "transient")
        return waits.backoff(fault.wait, times, FIRST_WAIT, LONGEST_WAIT) if again else 0.0

    def give_up(self, fault: CallError, tried: int, late: bool) -> Result:
        """The result of a call without an answer. Raises UserError if the service is down."""
        if fault.kind == "transient":
            self.down += 1
            if self.down >= DOWN:
                raise UserError(stop_messages.down(self.client.endpoint, self.down, fault.words))
        why = stop_messages.reason(fault, tried, self.rules.deadline if late else None)
        return Result(None, reason=why, raw=fault.raw)


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

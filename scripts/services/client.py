"""Asks services: many calls at once, each answer bought once, never more than may be spent.

A backend makes `Call`s and hands them to its `Client`. What was answered before comes from the
store (scripts/services/response_store.py). The rest is sent, as many at once as the lane (a model
at an address) bears, within its limits of requests and tokens a minute; the cost is reserved before
a call leaves. A call that brings nothing is asked again by the kind of its fault
(scripts/services/errors.py) until it is answered, has used up its attempts or its deadline, or is
hopeless. `config/config.yaml` has the numbers under `services`.

One call that stays without an answer has a `Result` that says why. The whole job stops, with one
sentence, if no call can fare better (a wrong key, an empty account, a budget that is spent, a
service that is down); what was answered until then is kept.

The SDKs retry, too, and hide what it costs: their retries are to be switched off.
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
from scripts.services import addresses, desk, errors, prices, processes, settings, waits, web
from scripts.services import stop_messages as stops
from scripts.services.calls import Call, Response, Result
from scripts.services.daemon_threads import Daemons
from scripts.services.database import Shut
from scripts.services.desk import Desk
from scripts.services.errors import CallError
from scripts.services.keys import cleaned
from scripts.services.ledger import Turn
from scripts.services.requirements import needs
from scripts.services.response_store import Store, key_of

__all__ = ["Call", "Client", "CallError", "Response", "Result"]

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds of back-off; doubled each time, half of it random
CUTS = 2  # times that the limit of tokens is doubled
DOWN = 20  # calls in a row that came to nothing by the service's fault: it is down


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
        self.rules = settings.rules()
        hosts = self.rules.hosts
        for _, check, *arguments in needs(service, model, address, key, self.rules):
            check(*arguments)
        self.secret = addresses.secret(key, address, hosts, service)
        self.paid = not addresses.is_own(address, hosts)
        self.prices = prices.price(self.rules.prices, address, model) if self.paid else {}
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
            results |= _runner().run(self._send(left, label), context=copy_context())
        return [results[key] for key in keys]

    def digest(self, path: Path) -> str:
        """sha256 of a file, remembered in the store by its size and time."""
        return self.store.digest(path)

    async def _send(self, left: dict[str, Call], label: str) -> dict[str, Result]:
        import aiohttp

        connector = aiohttp.TCPConnector(limit=0)
        asyncio.get_running_loop().set_default_executor(Daemons())  # for SDKs that block
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,  # web.post unpacks, and stops in time
        ) as self.session:
            return await _Work(self, left, label).done()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """POST `body` to `path` below the address; the JSON that comes back."""
        return await web.post(self.session, f"{self.address}{path}", body, headers, self.service)


class _Work:
    """The calls of one `ask` that have to be sent."""

    def __init__(self, client: Client, calls: dict[str, Call], label: str):
        self.client, self.rules = client, client.rules
        self.waiting = deque(calls.items())
        self.total, self.label = len(calls), label
        self.results: dict[str, Result] = {}
        self.stop: Exception | None = None
        self.down = 0  # calls in a row that the service failed
        self.costly = False  # whether it was told that a call cost more than was reserved
        self.answered = time.monotonic()  # when something was, or the work began
        self.gate = asyncio.Lock()  # one at a time asks the store for a place
        self.waits = waits.Waits(label)
        self.desk = Desk(self.waits)

    async def done(self) -> dict[str, Result]:
        """All results; raises what stopped the work once all that was under way has ended."""
        ticks = progress(range(self.total), self.total, self.label)
        workers = min(self.total, self.client.limits.at_once)
        self.client.store.patience(desk.AT_ONCE)
        beats = asyncio.create_task(self.beats())
        try:
            await self.desk.write(self.client.store.start)
            await asyncio.gather(*(self.work(ticks) for _ in range(workers)))
        finally:
            beats.cancel()
            self.client.store.patience()
        if self.stop is not None:
            raise self.stop
        return self.results

    async def beats(self) -> None:
        """Keep the lease on what is under way."""
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
        """Ask until there is an answer or a reason why there is none."""
        tried = Counter()
        first = None  # when it was sent first
        taken = 0.0  # seconds of its attempts and its own waits
        while True:
            turn, most, usd = await self.place(key, call, tried["cut"])
            if turn.kept is not None:
                return Result(*astuple(turn.kept))
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
                return await self.keep(turn.attempt, key, got, seconds, most, usd)
            taken += time.monotonic() - begun
            words, raw = fault.words, fault.raw
            tried[fault.kind] += 1
            wait = self.wait(fault, max(tried["limited"], tried["transient"]))
            await self.fail(turn.attempt, fault, words, raw, wait, most, usd)
            if fault.kind == "fatal":
                client = self.client
                raise UserError(
                    stops.hopeless(client.service, client.lane, client.key, fault, words)
                )
            self.ask_later(fault, wait, words, max(first, self.answered))
            taken += 0.0 if fault.kind == "limited" or fault.wait is not None else wait
            late = fault.kind != "limited" and taken > self.rules.deadline
            if late or self.is_enough(tried):
                return self.give_up(fault, words, raw, tried.total(), late)
            await self.pause(wait, words)

    def is_enough(self, tried: Counter) -> bool:
        """Whether a call has used up its attempts."""
        rules = self.rules
        return (
            tried["transient"] > rules.tries
            or tried["cut"] > CUTS
            or tried["refused"] + tried["unusable"] >= rules.resample
        )

    def ask_later(self, fault: CallError, wait: float, words: str, since: float) -> None:
        """Stop the run if it is to come back later than it may wait, or the service answered
        nothing `since` for that long: no call is to blame for that and none is given up."""
        lane, deadline = self.client.lane, self.rules.deadline
        if fault.wait is not None and fault.wait > deadline:
            raise UserError(stops.later(lane, wait, deadline, words))
        if fault.kind == "limited" and time.monotonic() - since + wait > deadline:
            raise UserError(stops.starved(lane, deadline, words))

    async def pause(self, seconds: float, why: str) -> None:
        """Wait, unless the work is to stop."""
        begun = time.monotonic()
        while True:
            if self.stop is not None:
                raise self.stop
            left = begun + seconds - time.monotonic()
            if left <= 0:
                return
            self.waits.tell(begun, why, left)
            await asyncio.sleep(min(left, 1.0))

    async def place(
        self, key: str, call: Call, cut: int
    ) -> tuple[Turn, Mapping[str, float], float]:
        """Wait for a place in the lane, or for the answer of another process: what it may use at
        most and the cost of that, which is reserved."""
        client = self.client
        most = prices.widened(call.most, cut)
        many = sum(most.get(unit, 0.0) for unit in prices.TOKENS)
        usd = prices.cost(client.prices, most, client.lane) if client.paid else 0.0
        begun = time.monotonic()
        asked = (
            key,
            client.lane,
            job.current().stage,
            client.limits,
            self.rules.max_usd,
            usd,
            many,
        )
        while True:
            async with self.gate:
                turn = await self.turn(asked, begun)
            if not turn.wait:
                return turn, most, usd
            await self.look_again(turn, begun)

    async def turn(self, asked: tuple, begun: float) -> Turn:
        """What the store says; where the lane is full, nobody else need ask it meanwhile."""
        while True:
            if self.stop is not None:
                raise self.stop
            turn = await self.desk.write(
                lambda: self.client.store.begin(*asked, version=self.client.version)
            )
            if not turn.wait or turn.elsewhere:
                return turn
            if turn.closed and turn.wait > self.rules.deadline:
                words = f"another call was told so: {turn.why}"
                raise UserError(
                    stops.later(self.client.lane, turn.wait, self.rules.deadline, words)
                )
            await self.look_again(turn, begun)

    async def look_again(self, turn: Turn, begun: float) -> None:
        self.waits.tell(begun, turn.why, turn.wait if turn.wait > 1 else None)
        await asyncio.sleep(min(turn.wait, 1.0))

    async def keep(
        self,
        attempt: int,
        key: str,
        got: Response,
        seconds: float,
        most: Mapping[str, float],
        reserved: float,
    ) -> Result:
        """Keep an answer, without keys of ours or halves of letters, and what it cost. One whose
        cost is not known is kept, too, at what was reserved for it, before the run stops."""
        client, value = self.client, cleaned(mended(got.value))
        version = cleaned(mended(got.version)) or client.model
        usd, unknown = self.cost(got.used)
        if client.version is not None and version != client.version:
            words = f"it says that it is '{version}'"
            await self.desk.write(
                lambda: client.store.failed(attempt, "fatal", words, used=got.used, usd=usd)
            )
            raise UserError(
                f"{client.lane}: {words}, the config asks for the version '{client.version}'. Ask "
                "for another model, or change `version`."
            )
        answer = {"value": value, "blob": got.blob, "version": version, "seconds": seconds}
        answer |= {"used": dict(got.used), "usd": usd}
        self.tell_cost(most, got.used, usd, reserved)
        before = await self.desk.keep(client.store, attempt, key, answer, client.limits.at_once)
        if before is not None:
            print(
                f"Warning: {client.lane} answered as '{before}' until now and answers as "
                f"'{version}': tables keep the two apart. Set `version` to have one only.",
                file=job.screen(),
            )
        self.down, self.answered = 0, time.monotonic()
        if unknown is not None:
            raise unknown
        return Result(value, got.blob, version, seconds)

    def tell_cost(
        self,
        most: Mapping[str, float],
        used: Mapping[str, float],
        usd: float | None,
        reserved: float,
    ) -> None:
        """Say once that a service used more than was reserved. It is booked as the service says, so
        that no more is sent once the limit of cost is reached."""
        if usd is None or usd <= reserved or self.costly:
            return
        self.costly = True
        print(
            f"Warning: {self.client.lane} says that a call used {dict(used)}, "
            f"{usd:.4f} USD, where {dict(most)}, {reserved:.4f} USD, were reserved for it: what a "
            "run costs may go beyond max_usd by the calls that are under way.",
            file=job.screen(),
        )

    def cost(self, used: Mapping[str, float]) -> tuple[float | None, UserError | None]:
        """Dollars of what was used; None, and why, where that is not known."""
        client = self.client
        try:
            return prices.cost(client.prices, used, client.lane) if client.paid else 0.0, None
        except UserError as error:
            return None, error

    async def fail(
        self,
        attempt: int,
        fault: CallError,
        words: str,
        raw: str | None,
        wait: float,
        most: Mapping[str, float],
        reserved: float,
    ) -> None:
        """Write the attempt down. An answer that cannot be used is paid for like any other; where
        the service did not say what it took, what was reserved counts, unless HTTP refused it."""
        client, usd, unknown = self.client, None, None
        if client.paid and fault.used:
            usd, unknown = self.cost(fault.used)
            self.tell_cost(most, fault.used, usd, reserved)
        elif fault.status is not None:
            usd = 0.0
        await self.desk.write(
            lambda: client.store.failed(attempt, fault.kind, words, raw, wait, fault.used, usd)
        )
        if unknown is not None:
            raise unknown

    def abandon(self, attempt: int, error: BaseException) -> None:
        """Write down an attempt that ended by a mistake of ours, or because the run was ended. If
        that cannot be written, it is found when the store is opened again."""
        own = isinstance(error, Exception)
        kind, words = ("mistake", type(error).__name__) if own else ("lost", "the run was ended")
        with contextlib.suppress(Shut, OSError):
            self.client.store.failed(attempt, kind, words)

    def wait(self, fault: CallError, times: int) -> float:
        """Seconds to wait before a call is asked again."""
        again = fault.kind in ("limited", "transient")
        return waits.backoff(fault.wait, times, FIRST_WAIT, LONGEST_WAIT) if again else 0.0

    def give_up(
        self, fault: CallError, words: str, raw: str | None, tried: int, late: bool
    ) -> Result:
        if fault.kind == "transient":
            self.down += 1
            if self.down >= DOWN:
                raise UserError(stops.down(self.client.lane, self.down, words))
        why = stops.reason(fault, words, tried, self.rules.deadline if late else None)
        return Result(None, reason=why, raw=raw)


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

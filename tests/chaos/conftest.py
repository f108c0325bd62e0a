"""The number of calls and seeds: `make test-chaos CALLS=40 SEEDS=3`, or these defaults."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

CALLS = int(os.environ.get("CALLS", 200))
SEEDS = int(os.environ.get("SEEDS", 20))
TOGETHER = 2  # seeds that run at the same time


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(SEEDS))


@pytest.fixture(scope="session")
def ahead(request) -> Iterator[Callable[[Callable, int], Future]]:
    """Function (work, seed) -> the future of work(seed); also starts the work of the next seeds."""
    seeds = [item.callspec.params["seed"] for item in request.session.items]
    begun: dict[int, Future] = {}
    with ThreadPoolExecutor(TOGETHER) as threads:

        def start(work: Callable, seed: int) -> Future:
            if not begun:
                begun.update({number: threads.submit(work, number) for number in seeds})
            return begun[seed]

        yield start
        threads.shutdown(cancel_futures=True)

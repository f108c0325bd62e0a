"""Two runs on one store, with a failing service, killed jobs and heads, a clock that jumps and a
store that is locked: no call is bought twice, no answer is lost, the ledger is right and the
results are those of an undisturbed run, byte for byte (tests/chaos/books.py defines this for killed
processes). Run by `make test-chaos`; a single seed: `-k 'chaos[7]'`."""

from __future__ import annotations

import struct
import subprocess
import time
from collections import Counter

import pytest

from scripts.common.paths import ROOT
from tests.chaos.books import Books
from tests.chaos.conftest import CALLS, SEEDS
from tests.chaos.disturber import Disturber, Failed
from tests.chaos.plan import Plan
from tests.chaos.project import Project
from tests.chaos.service import Service


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> tuple[Counter[str], dict[str, bytes]]:
    """How often each call is legitimately sent, and the results."""
    folder = tmp_path_factory.mktemp("undisturbed")
    clock = folder / "clock"
    clock.write_bytes(struct.pack("d", 0.0))
    with Service(CALLS, seconds=0.5) as service:
        project = Project(folder / "one", folder / "calls.sqlite", service.address)
        project.make(CALLS)
        done = subprocess.run(
            project.command(),
            env=project.environment(clock),
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        asked = Counter(entry.mark for entry in service.books if entry.end == "answered")
    assert asked.total() == CALLS, [f"{asked.total()} calls", *service.books]
    return asked, project.results()


def test_chaos(seed, undisturbed, ahead, tmp_path_factory, capsys):
    wanted, results = undisturbed

    def work(number: int) -> tuple[Disturber, Books | Failed]:
        plan = Plan(number, CALLS)
        folder = tmp_path_factory.mktemp(f"seed{number}") / "runs"
        with Service(CALLS, plan.faults, wanted) as service:
            disturber, since = Disturber(plan, folder, service), time.time()
            try:
                disturber.disturb()
            except Failed as failed:
                return disturber, failed
            return disturber, Books(disturber, since, time.time())

    disturber, books = ahead(work, seed).result()
    about = "\n".join(
        [
            f"again: CALLS={CALLS} SEEDS={SEEDS} pytest tests/chaos -k 'chaos[{seed}]'",
            f"ran in {disturber.folder}: {disturber.plan}",
            *disturber.told,
        ]
    )
    assert isinstance(books, Books), f"{about}\n{books}"
    with capsys.disabled():
        print(f"\n{books.summary()}", end="")
    faults = books.faults()
    assert not faults, "\n".join([about, books.summary(), *faults])
    for run in disturber.runs:
        assert run.project.results() == results, about

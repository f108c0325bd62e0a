"""Fixtures of the tests on a real SLURM: run by `make test-cluster`, as root."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.slurm import PREFIX, Slurm, client, queue, until

ROOT = Path(__file__).resolve().parents[2]
THREE = Path(__file__).resolve().parent / "three/Snakefile"
TOY = ("all", "--configfile", "tests/config/toy.yaml")
SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))


class Head:
    """`snakemake --profile slurm` as typed in the checkout, with the tests' overrides.

    It works in `folder`; its output goes to the file `printed_to`.
    """

    def __init__(self, folder: Path, *arguments: str, overrides: bool = True):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.printed_to = folder / f"head{len(list(folder.glob('head*')))}.txt"
        # Nothing here may ask a service.
        environment = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
        with self.printed_to.open("wb") as file:
            # A process that a shell started in the background ignores Ctrl-C, and so would this.
            self.process = subprocess.Popen(
                [
                    *("env", "--default-signal=INT", SNAKEMAKE, "--profile", "slurm"),
                    *(("--profile", "tests/cluster/profile") if overrides else ()),
                    *("--directory", str(folder)),
                    *arguments,
                ],
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=environment | {"PWD": str(ROOT)},
            )

    def printed(self) -> str:
        return self.printed_to.read_text("utf-8")

    def run_id(self) -> str:
        """The name that SLURM has for all jobs of this run."""
        until(lambda: "SLURM run ID: " in self.printed(), 60, self.printed()[-3000:])
        return re.search(r"SLURM run ID: (\S+)", self.printed()).group(1)

    def running(self) -> list[str]:
        """The comments of this run's jobs and tasks that SLURM is running now."""
        jobs = queue(self.run_id()).values()
        return [comment for state, _, comment in jobs if state == "RUNNING"]

    def ends(self, seconds: float) -> int:
        """The exit status, once it has ended."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running:\n{self.printed()[-6000:]}") from None


@contextmanager
def heads() -> Iterator:
    """Starts heads (arguments of `Head`); those still running at the end are killed."""
    started: list[Head] = []
    closed = threading.Event()

    def start(*arguments, **options) -> Head:
        if closed.is_set():  # a thread goes on whose tests are over
            raise RuntimeError("the tests have ended")
        started.append(Head(*arguments, **options))
        return started[-1]

    try:
        yield start
    finally:
        closed.set()
        for one in started:
            one.process.kill()
            one.process.wait()


@pytest.fixture
def head(slurm):
    """Starts heads that live at most as long as a test."""
    with heads() as start:
        yield start


@pytest.fixture(scope="module")
def module_head(slurm):
    """Starts heads that live at most as long as the tests of a file."""
    with heads() as start:
        yield start


@pytest.fixture(scope="session", autouse=True)
def slurm(request, tmp_path_factory):
    """A running SLURM, shut down whatever happens. If a test asks for `toy`, its runs are started.

    They take minutes, mostly waiting, so the other tests run meanwhile.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    one = Slurm(folder)
    runs = None
    try:
        one.start()
        with ThreadPoolExecutor() as pool, heads() as start:
            if any("toy" in item.fixturenames for item in request.session.items):
                runs = pool.submit(run_toy, start, tmp_path_factory.mktemp("toy"))
            yield runs
    finally:
        one.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def toy(slurm):
    """The finished runs of the toy workflow."""
    return slurm.result(timeout=3000)


def gives_way(process: subprocess.Popen) -> None:
    """Give a session leader and its descendants only the CPU that others leave idle.

    If the kernel groups processes by session (autogroup), a process's own nice value counts only
    within its group.
    """
    os.setpriority(os.PRIO_PROCESS, process.pid, 19)
    with suppress(OSError):  # a kernel without it, a container that may not
        Path(f"/proc/{process.pid}/autogroup").write_text("19")


@dataclass(frozen=True)
class Toy:
    """The results of the toy workflow from a local run and from two heads on SLURM."""

    local: Path  # the folder of the undisturbed run
    first: Head  # killed in mid-run
    second: Head  # made what was left
    orphans: dict[str, tuple[str, str, str]]  # the first one's jobs in SLURM after its death
    left: dict[str, tuple[str, str, str]]  # those that SLURM still had when the second began
    times: dict[str, int]  # when each file was written (ns) that the first left, by path


def run_toy(start, folder: Path) -> Toy:
    """Run the toy workflow locally, and in parallel on SLURM: the head is killed as soon as users'
    or roles' lines are spoken, its jobs are cancelled by its name, and a second head takes over."""
    local = folder / "local"
    local.mkdir()
    with (folder / "local.txt").open("wb") as file:
        here = subprocess.Popen(
            [SNAKEMAKE, "--cores", "2", "--directory", str(local), *TOY],
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            start_new_session=True,
        )
    gives_way(here)
    try:
        on_slurm = folder / "slurm"
        first = start(on_slurm, *TOY)
        speaking = re.compile("rule_speak").match
        until(
            lambda: first.process.poll() is not None or any(map(speaking, first.running())),
            900,
            first.printed()[-3000:],
        )
        first.process.send_signal(signal.SIGKILL)
        first.ends(20)
        orphans = queue(first.run_id())
        client("scancel", f"--name={first.run_id()}")
        until(lambda: not queue(first.run_id()), 60, "jobs do not end")
        times = {
            str(path.relative_to(on_slurm)): path.stat().st_mtime_ns
            for path in (on_slurm / "results").rglob("*")
        }
        assert start(on_slurm, *TOY, "--unlock").ends(60) == 0
        left = queue(first.run_id())
        second = start(on_slurm, *TOY)
        assert second.ends(900) == 0, second.printed()[-6000:]
        assert here.wait(900) == 0, (folder / "local.txt").read_text()[-6000:]
    finally:
        here.kill()
        here.wait()
    return Toy(local, first, second, orphans, left, times)

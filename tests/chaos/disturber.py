"""Disturbs two runs on one store according to a plan, and restarts them until both succeed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from scripts.common.paths import ROOT
from tests.chaos.plan import Event, Plan
from tests.chaos.project import Project
from tests.chaos.service import Service

LOOK = 0.02  # seconds between two looks at the runs
SETTLE = 1.0  # seconds after which the answers that a locked store held up are written
PATIENCE = 180.0  # seconds for a seed; more means that something waits for ever
STARTS = 6  # of one run
SIGNALS = {"terminate": signal.SIGTERM, "interrupt": signal.SIGINT}


class Failed(AssertionError):
    """A run failed without being disturbed, or all are stuck."""


@dataclass
class Run:
    """A project and the Snakemake process working in it, if any."""

    project: Project
    clock: Path
    head: subprocess.Popen | None = None
    starts: int = 0
    disturbed: bool = False  # since it was started last
    over: bool = False

    @property
    def printed(self) -> Path:
        return self.project.home / f"head{self.starts}.txt"

    def start(self) -> None:
        self.disturbed = False
        self.starts += 1
        with self.printed.open("w") as screen:
            self.head = subprocess.Popen(
                self.project.command(),
                env=self.project.environment(self.clock),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def processes(self) -> Iterator[psutil.Process]:
        """All live processes of the folder: the head, its jobs and those of killed heads."""
        for process in psutil.process_iter():
            try:
                here = process.cwd() == str(self.project.home)
                if here and process.status() != psutil.STATUS_ZOMBIE:
                    yield process
            except psutil.Error:
                continue

    def look(self) -> None:
        """Restart it if it failed because it was disturbed. Surviving jobs of an earlier start are
        no reason to fail."""
        if self.head is None or self.over or self.head.poll() is None:
            return
        if self.head.returncode == 0:
            self.over = True
            return
        if not self.disturbed or self.starts == STARTS:
            said = self.printed.read_text("utf-8", errors="replace")[-3000:]
            raise Failed(f"start {self.starts} ended with {self.head.returncode}:\n{said}")
        self.start()

    def end(self) -> None:
        """None of its processes is alive."""
        if self.head is not None:
            self.head.kill()
            self.head.wait()
        for process in self.processes():
            process.kill()


@dataclass
class Disturber:
    """The runs of a plan in `folder`. `killed`: when processes were killed or told to end; `told`:
    the actions taken; `kept`: the number of stored answers at each event."""

    plan: Plan
    folder: Path
    service: Service
    killed: dict[int, float] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    kept: set[tuple] = field(default_factory=set)

    def __post_init__(self):
        self.folder.mkdir(parents=True)
        self.clock, self.store = self.folder / "clock", self.folder / "calls.sqlite"
        self.set_clock(self.plan.clock)
        self.runs = []
        for name in ("one", "two"):
            project = Project(self.folder / name, self.store, self.service.address)
            project.make(self.plan.calls)
            self.runs.append(Run(project, self.clock))
        self.dice = random.Random(self.plan.seed)

    def disturb(self) -> None:
        """Carry out the whole plan, until both runs are over and no process is working."""
        begun, events = time.monotonic(), list(self.plan.events)
        try:
            self.runs[0].start()
            while not all(run.over for run in self.runs):
                self.look()
                if events and self.service.count() >= events[0].answers and self.do(events[0]):
                    events.pop(0)
                self.patient(begun)
                time.sleep(LOOK)
            while any(any(run.processes()) for run in self.runs):  # whoever lost its head
                self.look()
                self.patient(begun)
                time.sleep(LOOK)
        finally:
            for run in self.runs:
                run.end()
        self.told += [f"not done: {event}" for event in events]

    def patient(self, begun: float) -> None:
        if time.monotonic() - begun > PATIENCE:
            alive = [p.cmdline() for run in self.runs for p in run.processes()]
            raise Failed(f"not over after {PATIENCE} s; there are {alive}")

    def look(self) -> None:
        for run in self.runs:
            run.look()

    def do(self, event: Event) -> bool:
        """Whether the action was possible."""
        self.kept |= answers(self.store)
        if event.what == "second run":
            self.runs[1].start()
        elif event.what == "clock":
            self.set_clock(event.value)
        elif event.what == "locked":
            self.lock(event.value)
        else:
            running = [run for run in self.runs if run.head is not None and not run.over]
            running.sort(key=lambda run: run is not self.runs[event.run])
            if not any(self.kill(event.what, run) for run in running):
                return False
        self.told.append(f"{event} at {self.service.count()} answers")
        return True

    def kill(self, what: str, run: Run) -> bool:
        """Whether there was a process to kill."""
        how, _, whom = what.partition(" ")
        number = SIGNALS.get(how, signal.SIGKILL)
        head = run.head.pid
        here = {process.pid for process in run.processes()}
        with self.service.lock:
            jobs = sorted(here & {entry.asker for entry in self.service.books})
        if not jobs or run.head.poll() is not None:
            return False
        run.disturbed = True
        if whom == "job":
            here = {self.dice.choice(jobs)}
            os.kill(min(here), number)
        elif whom == "head":
            os.kill(head, number)
        else:
            os.killpg(head, number)
        if what != "kill head":  # whose jobs go on
            self.killed |= dict.fromkeys(here, time.monotonic())
        return True

    def lock(self, seconds: float) -> None:
        """Another program locks the store; no kill before answers received meanwhile are stored."""
        db = sqlite3.connect(self.store, timeout=30, isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        db.execute("ROLLBACK")
        db.close()
        time.sleep(SETTLE)

    def set_clock(self, seconds: float) -> None:
        """Written in place, so that processes that map the file see it at once."""
        with self.clock.open("r+b" if self.clock.exists() else "wb") as file:
            file.write(struct.pack("d", seconds))


def answers(store: Path) -> set[tuple]:
    """The rows of the store's answers, with time and place of writing."""
    if not store.exists():
        return set()
    db = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        return set(db.execute("SELECT rowid, key, version, value, made, digest FROM answers"))
    except sqlite3.OperationalError:  # it is just being made
        return set()
    finally:
        db.close()

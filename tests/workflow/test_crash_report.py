"""Jobs killed by a signal: real processes, in a workflow of one rule and on their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.workflow import crash_report, interruption

ROOT = Path(__file__).resolve().parents[2]
SNAKEFILE = """
from snakemake.logging import logger
from scripts.workflow import interruption

interruption.be_quiet(logger)  # as rules/preflight.smk does

rule work:
    output: out="{how}.txt"
    log: "logs/{how}.log"
    params: how="{how}"
    script: "work.py"
"""
WORK = """
import os, signal, sys, threading, time
from pathlib import Path

from scripts.workflow import stage


def work(out: Path, how: str) -> None:
    print("it begins")
    out.write_text("half")
    if how.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, how))
    if how == "package":
        import crasher
    if how == "thread":
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGSEGV)).start()
    if how == "bus":  # what a full disk does to a file in memory
        import mmap
        with Path("short").open("wb+") as file:
            file.truncate(4096)
            place = mmap.mmap(file.fileno(), 4096)
            file.truncate(0)
            place[0]
    if how == "exit":
        sys.exit(7)
    if how == "user":
        raise stage.UserError("the film is not there.")
    if how == "sleep":
        Path("pids").write_text(f"{os.getppid()} {os.getpid()}")
        time.sleep(60)
    out.write_text("done")


if __name__ == "__main__":
    stage.run(work, globals().get("snakemake"))
"""
ALONE = """
from types import SimpleNamespace

how = sys.argv[1]
named = dict(rule="work", input={}, output={"out": f"{how}.txt"}, params={"how": how})
Path("logs").mkdir(exist_ok=True)
stage.run(work, SimpleNamespace(**named, log=[f"logs/{how}.log"], config={"kept": None}))
"""
DIE = "import ctypes, os, signal\nos.kill(os.getpid(), signal.SIGILL)\n"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "alone.py").write_text(WORK.partition("\nif __name__")[0] + ALONE)
    return tmp_path


def heeding() -> None:
    """Below nohup SIGHUP would stay ignored, in the background of a script SIGINT."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def start(folder: Path, *command: str) -> subprocess.Popen:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    options["preexec_fn"] = heeding
    return subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, start_new_session=True, **options)


def alone(folder: Path, how: str) -> subprocess.Popen:
    return start(folder, sys.executable, "alone.py", how)


def sleeping(folder: Path) -> list[int]:
    """The waiting and the working process, once both exist."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = (folder / "pids").read_text().split() if (folder / "pids").exists() else []
        if len(found) == 2:
            return [int(number) for number in found]
        time.sleep(0.05)
    raise TimeoutError


def is_gone(pid: int) -> bool:
    """Whether a process ends within five seconds."""
    for _ in range(100):
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_the_log_says_by_which_signal_a_job_died(folder):
    package = folder / "site-packages/crasher"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(DIE)
    told = {
        "SIGILL": "instruction that this processor does not know (SIGILL)",
        "SIGKILL": "killed (SIGKILL): ",
        "SIGBUS": "(SIGBUS), mostly because a disk is full; free are",
        "SIGSEGV": "fault in a package's compiled code (SIGSEGV)",
        "SIGTERM": "ended from outside (SIGTERM)",
        "package": "Python was in the package crasher (",
        "bus": "(SIGBUS), mostly because a disk is full",
        "thread": "compiled code (SIGSEGV)",
    }
    command = [str(Path(sys.executable).with_name("snakemake")), "-k", "--cores", "1", "ok.txt"]
    run = subprocess.run(
        [*command, *(f"{how}.txt" for how in told)],
        **{"cwd": folder, "capture_output": True, "text": True, "timeout": 120},
        env={**ENVIRONMENT, "PYTHONPATH": f"{ROOT}:{package.parent}"},
    )
    printed = run.stdout + run.stderr
    assert run.returncode == 1 and (folder / "ok.txt").read_text() == "done"
    assert (folder / "logs/ok.log").read_text() == "it begins\n"
    for how, sentence in told.items():
        log = (folder / f"logs/{how}.log").read_text()
        assert log.startswith("it begins\n") and log.splitlines()[-1].startswith("work: ")
        assert sentence in log.splitlines()[-1]
        caught = how not in ("SIGKILL", "SIGTERM")
        assert caught == ("Fatal Python error: " in log) == ("work.py" in log)
        assert not (folder / f"{how}.txt").exists()
        name = {"package": "SIGILL", "bus": "SIGBUS", "thread": "SIGSEGV"}.get(how, how)
        assert f"died with <Signals.{name}: " in printed
    killed = (folder / "logs/SIGKILL.log").read_text()
    assert killed.endswith("It was at this: it begins\n")
    assert re.search(r"the machine has \d+\.\d GB, of which \d+\.\d GB are free now", killed)
    assert "GB at " in (folder / "logs/SIGBUS.log").read_text()


@pytest.mark.parametrize(
    "how, code, said",
    [
        ("ok", 0, "it begins\n"),
        ("exit", 7, "it begins\n"),
        ("user", 1, "it begins\nwork: the film is not there.\n"),
        ("SIGKILL", -signal.SIGKILL, "killed (SIGKILL)"),
        ("SIGABRT", -signal.SIGABRT, "compiled code (SIGABRT)"),
        ("SIGXCPU", -signal.SIGXCPU, "ended from outside (SIGXCPU)"),
        ("SIGRTMIN", -signal.SIGRTMIN, "ended from outside ("),
    ],
)
def test_the_end_is_that_of_the_work(folder, how, code, said):
    process = alone(folder, how)
    process.communicate(timeout=30)
    assert process.returncode == code and said in (folder / f"logs/{how}.log").read_text()


def test_ctrl_c_ends_a_run_at_once_and_says_one_line(folder):
    process = start(folder, str(Path(sys.executable).with_name("snakemake")), "-c1", "sleep.txt")
    pids = sleeping(folder)
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=30)
    assert time.monotonic() - begun < 10 and all(map(is_gone, pids)) and process.returncode
    assert printed.strip().endswith(f"\n{interruption.STOPPED}")
    assert "Error" not in printed and "Traceback" not in printed
    log = (folder / "logs/sleep.log").read_text()
    assert log == "it begins\nwork: stopped; the same command goes on\n"
    assert not list(folder.glob("*sleep.txt"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_is_passed_on(folder, number):
    process = alone(folder, "sleep")
    waits, works = sleeping(folder)
    assert waits == process.pid
    os.kill(waits, number)
    process.communicate(timeout=30)
    assert process.returncode == -number and is_gone(works)
    assert f"ended from outside ({number.name})" in (folder / "logs/sleep.log").read_text()


def test_the_work_does_not_outlive_who_waits_for_it(folder):
    process = alone(folder, "sleep")
    waits, works = sleeping(folder)
    os.kill(waits, signal.SIGKILL)
    process.communicate(timeout=30)
    assert is_gone(works)


def tree(root: Path, **files: str) -> Path:
    for name, text in {"proc/meminfo": MEMINFO, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(textwrap.dedent(text))
    return root


MEMINFO = "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:    4000000 kB\n"
MACHINE = {"total": 16_384_000_000, "free": 4_096_000_000}


def test_memory_of_a_machine_without_control_groups(tmp_path):
    assert crash_report._memory(tree(tmp_path)) == MACHINE
    assert crash_report._memory(tmp_path / "nothing")["total"] == 0


def test_the_lowest_limit_of_the_groups_counts(tmp_path):
    files = {
        "proc/self/cgroup": "0::/slurm/job\n",
        "sys/fs/cgroup/slurm/memory.max": "2000000000\n",
        "sys/fs/cgroup/slurm/job/memory.max": "max\n",
        "sys/fs/cgroup/slurm/job/memory.events": "low 0\noom 2\noom_kill 3\noom_group_kill 9\n",
    }
    found = crash_report._memory(tree(tmp_path, **files))
    assert found == {**MACHINE, "limit": 2_000_000_000, "killed": 3}
    told = crash_report._out_of_memory(1_500_000_000, found, 2)
    assert "the kernel did it for want of memory. It took up to 1.5 GB" in told
    assert "has 16.4 GB, of which 4.1 GB are free now, and jobs here may use 2.0 GB." in told
    assert "mostly memory ran out" in crash_report._out_of_memory(1, found, 3)


def test_groups_of_the_first_version(tmp_path):
    files = {
        "proc/self/cgroup": "3:cpu:/\n4:memory:/docker/abc\n0::/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "1000000000\n",
        "sys/fs/cgroup/memory/docker/abc/memory.oom_control": "under_oom 0\noom_kill 1\n",
    }
    found = crash_report._memory(tree(tmp_path, **files))
    assert found == {**MACHINE, "limit": 1_000_000_000, "killed": 1}


@settings(deadline=None, max_examples=40)
@given(st.sets(st.sampled_from([*crash_report.INSTRUCTIONS.values(), "sse2", "avx512vl", "avx"])))
def test_what_a_processor_lacks(tmp_path_factory, flags):
    info = f"model name\t: Some CPU\nflags\t\t: fpu {' '.join(sorted(flags))}\n\n"
    root = tree(tmp_path_factory.mktemp("cpu"), **{"proc/cpuinfo": info * 2})
    told = crash_report._processor(root)
    lacks = told.removeprefix("Of what packages are built for, it (Some CPU) lacks ")[:-1]
    wanted = [name for name, flag in crash_report.INSTRUCTIONS.items() if flag not in flags]
    if wanted:
        assert lacks.split(", ") == wanted
    else:
        assert lacks.startswith("none of")


def test_a_processor_of_another_kind_is_named(tmp_path):
    root = tree(tmp_path, **{"proc/cpuinfo": "processor : 0\nFeatures : fp asimd\n"})
    assert crash_report._processor(root).startswith("It is of the kind ")


def test_the_package_is_that_of_the_thread_that_died(tmp_path):
    def at(name: str) -> str:
        return f'  File "env/lib/python3.11/site-packages/{name}/a.py", line 1 in f\n'

    log = tmp_path / "a.log"
    other = f"Thread 0x1 (most recent call first):\n{at('numpy')}\n"
    head = "Fatal Python error: Illegal instruction\n\n"
    own = f'Current thread 0x2 (most recent call first):\n  File "b.py", line 2\n{at("senko")}'
    log.write_text(f"{head}{other}{at('early')}\n{head}{other}{own}{at('torch')}\n\nExtension ...")
    assert "in the package senko (env/lib" in crash_report._package(log)
    log.write_text(head + other)  # a thread that Python does not know
    assert "in the package numpy" in crash_report._package(log)
    log.write_text(other)
    assert crash_report._package(log) == crash_report._package(tmp_path / "none.log") == ""

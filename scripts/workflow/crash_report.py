"""Reports in a job's log which signal killed it, and the usual cause.

A killed process cannot report anything, so a job runs in a forked child; the parent waits, reports,
and exits with the same status or by the same signal. The fork happens before a model is loaded and
shares the memory used until then. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import platform
import re
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TextIO

from scripts.workflow.heartbeat import beating, last_line

PARENT_DIED = 1  # PR_SET_PDEATHSIG of prctl(2)
PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# Instruction sets beyond baseline x86-64 that packages are built for: name, flag in /proc/cpuinfo.
INSTRUCTIONS = {
    **{"SSE4.2": "sse4_2", "AVX": "avx", "F16C": "f16c", "FMA": "fma", "BMI2": "bmi2"},
    **{"AVX2": "avx2", "AVX-VNNI": "avx_vnni", "AVX-512": "avx512f"},
    **{"AVX-512 VNNI": "avx512_vnni", "AVX-512 BF16": "avx512_bf16", "AMX": "amx_tile"},
}
GB = 1e9


def continue_in_child(stage: str, log: Path, screen: TextIO) -> None:
    """Fork, and return in the child; the parent waits and exits as the child did.

    If a signal kills the child, a sentence about `stage` goes to standard error, which is `log` (to
    `screen` if that cannot be written), after Python's own traceback (faulthandler). Ctrl-C reaches
    the child from the terminal, other termination signals are forwarded, and the child dies with
    this process.
    """
    killed_before = _memory().get("killed", 0)
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(PARENT_DIED, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before prctl took effect
            os._exit(1)
        signal.signal(signal.SIGINT, interrupt)
        faulthandler.enable()
        return

    def pass_on(number: int, _frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    with beating(stage, log, screen):
        _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        os._exit(code)
    last = last_line(log)
    told = f"{stage}: {_why(-code, log, usage.ru_maxrss * 1024, killed_before)}"
    if last and -code in (signal.SIGKILL, *PASSED_ON):  # nothing else says what it was at
        told = f"{told} It was at this: {last}"
    try:
        print(told, file=sys.stderr, flush=True)
    except OSError:  # the disk is full
        print(told, file=screen, flush=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the useful core dump is the child's
    with contextlib.suppress(OSError):  # SIGKILL has no handler to reset
        signal.signal(-code, signal.SIG_DFL)
    os.kill(parent, -code)
    signal.pause()


def _why(number: int, log: Path, most: int, killed_before: int) -> str:
    """The usual cause of death by a signal; the process used up to `most` bytes."""
    try:
        name = signal.Signals(number).name
    except ValueError:  # a real-time signal
        name = f"signal {number}"
    if number == signal.SIGKILL:
        return _out_of_memory(most, _memory(), killed_before)
    if number == signal.SIGINT:
        return "interrupted (SIGINT, Ctrl-C)."
    if number == signal.SIGBUS:
        return (
            "died of a file in memory that could not be read or written (SIGBUS), mostly because a"
            f" disk is full; free are {_disks(log)}. Free some space and run again: finished work"
            f" is kept.{_package(log)}"
        )
    if number == signal.SIGILL:
        return (
            "died of an instruction that this processor does not know (SIGILL): a package was built"
            f" for another one. {_processor()}{_package(log)} Take another version of that package,"
            " or another backend."
        )
    if number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE):
        return f"died of a fault in a package's compiled code ({name}).{_package(log)}"
    return f"ended from outside ({name}): by a person, or a scheduler, as at its time limit."


def _out_of_memory(most: int, memory: dict[str, int], killed_before: int) -> str:
    killed = memory.get("killed", 0) > killed_before
    cause = "the kernel did it for want of memory" if killed else "mostly memory ran out"
    total, free, took = (f"{size / GB:.1f} GB" for size in (memory["total"], memory["free"], most))
    limit = f", and jobs here may use {memory['limit'] / GB:.1f} GB" if "limit" in memory else ""
    return (
        f"killed (SIGKILL): {cause}. It took up to {took}; the machine has {total}, of which {free}"
        f" are free now{limit}. Run fewer jobs at once (--cores, --resources mem_mb=N), or choose a"
        " smaller model."
    )


def _memory(root: Path = Path("/")) -> dict[str, int]:
    """Memory of the machine in bytes, `total` and `free`; with control groups, the `limit` of this
    group and how many of its processes were `killed` for lack of memory."""
    sizes = dict(re.findall(r"^(\w+): +(\d+) kB$", _read(root / "proc/meminfo"), re.MULTILINE))
    found = {
        "total": 1024 * int(sizes.get("MemTotal", 0)),
        "free": 1024 * int(sizes.get("MemAvailable", 0)),
    }
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, kind, group = line.split(":", 2)
        if kind not in ("", "memory"):  # version 2 has one tree, version 1 one for memory
            continue
        top = root / "sys/fs/cgroup" / kind
        limit, events = (
            ("memory.limit_in_bytes", "memory.oom_control")
            if kind
            else ("memory.max", "memory.events")
        )
        own = top / group.strip("/")
        folders = [own, *(folder for folder in own.parents if folder.is_relative_to(top))]
        texts = [_read(folder / limit).strip() for folder in folders]
        limits = [int(text) for text in texts if text.isdigit() and int(text) < found["total"]]
        if limits:
            found["limit"] = min(limits)
        for folder in folders:
            counted = re.search(r"^oom_kill (\d+)$", _read(folder / events), re.MULTILINE)
            if counted:
                found["killed"] = int(counted[1])
                break
    return found


def _processor(root: Path = Path("/")) -> str:
    """A sentence on the common instruction sets that this processor lacks."""
    text = _read(root / "proc/cpuinfo")
    name = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*: (.*)$", text, re.MULTILINE)
    if flags is None:
        return f"It is of the kind {platform.machine()}."
    lacks = [label for label, flag in INSTRUCTIONS.items() if flag not in flags[1].split()]
    told = ", ".join(lacks) or f"none of {', '.join(INSTRUCTIONS)}"
    return f"Of what packages are built for, it ({name[1] if name else 'x86-64'}) lacks {told}."


def _disks(log: Path) -> str:
    """Free space where a job writes: working directory, log, temporary files and shared memory."""
    places = {Path.cwd(), log.resolve().parent, Path(tempfile.gettempdir()), Path("/dev/shm")}
    found: dict[int, str] = {}
    for place in sorted(places):
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(place).free
            found.setdefault(place.stat().st_dev, f"{free / GB:.1f} GB at {place}")
    return ", ".join(found.values())


def _package(log: Path) -> str:
    """A sentence on the package in which Python crashed, from the traceback in the log."""
    _, fault, trace = _read(log).rpartition("Fatal Python error: ")
    _, current, own = trace.partition("Current thread 0x")
    frames = own.partition("\n\n")[0] if current else trace
    file = re.search(r'"([^"]*(?:site|dist)-packages/(\w+)[^"]*)"', frames) if fault else None
    return f" Python was in the package {file[2]} ({file[1]}), see above." if file else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

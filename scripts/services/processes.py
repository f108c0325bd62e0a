"""Whose a call under way is: of this process, of another one on this machine, of another host.

A process that lives has a lease on what it has under way. Of a process that can be seen from here
its number and the time at which it began say whether it lives. Of one in another container of this
machine, or on another host, the signs of life do that it leaves in the store.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BEAT = 10.0  # seconds between two signs of life of a process that has calls under way
LEASE = 60.0  # seconds without one after which a process that cannot be seen has died
ENDED = "ZX"  # states of a process that is dead and whose parent has not yet asked
UNKNOWN = "alive"  # of a process that is there, when this system does not tell when it began


@dataclass(frozen=True)
class Owner:
    """A process, by all that tells it from others."""

    host: str
    boot: str  # of the machine since it was started; containers on it share it
    space: str  # the namespace in which `pid` is a number
    pid: int
    born: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def me() -> Owner:
    """This process."""
    host = socket.gethostname()
    return Owner(host, boot() or host, _space(), os.getpid(), born(os.getpid()))


def lives(other: Owner, mine: Owner, silent: float) -> bool:
    """Whether a process lives, as far as `mine` can tell, `silent` seconds after its last sign of
    life. Seconds below 0 come of another host's clock."""
    fresh = abs(silent) <= LEASE
    if other == mine:
        return True
    if (other.boot, other.space) != (mine.boot, mine.space):
        return fresh
    now = born(other.pid)
    if UNKNOWN in (now, other.born):
        return bool(now) and fresh
    return now == other.born


def elsewhere(other: Owner, mine: Owner) -> bool:
    """Whether a process is another host's; a host that was started anew is the same one."""
    return other.boot != mine.boot and other.host != mine.host


def ticks() -> float:
    """Seconds of a clock that all processes of a machine share and nobody can set."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@cache
def boot() -> str:
    """What names the time since this machine was started; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def born(pid: int) -> str:
    """When a process began, in ticks since the machine did, so that a number used again is another
    process (Linux). UNKNOWN where it is there and the system does not tell; empty if it is not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
        fields = stat.rpartition(")")[2].split()
        return "" if fields[0] in ENDED else fields[19]
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except PermissionError:
        return UNKNOWN
    except (ProcessLookupError, OverflowError):
        return ""
    return UNKNOWN


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""

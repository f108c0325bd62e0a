"""Owners of calls in flight: this process, another one on this machine, or one on another host.

A live process holds a lease on its calls in flight. Whether a visible process lives follows from
its id and start time; for one in another container or on another host, from the heartbeats that it
leaves in the store.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BEAT = 10.0  # seconds between heartbeats of a process with calls in flight
LEASE = 60.0  # seconds without a heartbeat after which an invisible process counts as dead
ENDED = "ZX"  # states of a dead process that its parent has not reaped
UNKNOWN = "alive"  # start time of a live process, where the system does not provide it


@dataclass(frozen=True)
class Owner:
    """The identity of a process."""

    host: str
    boot: str  # boot id of the machine; its containers share it
    space: str  # the namespace of `pid`
    pid: int
    born: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def me() -> Owner:
    """This process."""
    host = socket.gethostname()
    return Owner(host, boot() or host, _space(), os.getpid(), born(os.getpid()))


def lives(other: Owner, mine: Owner, silent: float) -> bool:
    """Whether a process lives, as far as `mine` can tell, `silent` seconds after its last heartbeat
    (negative if another host's clock is ahead)."""
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
    """Whether a process is on another host; a rebooted host is the same one."""
    return other.boot != mine.boot and other.host != mine.host


def ticks() -> float:
    """Seconds on the machine's monotonic clock, shared by all its processes."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@cache
def boot() -> str:
    """The boot id of this machine; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def born(pid: int) -> str:
    """When a process started, in ticks since boot, so that a reused id is another process (Linux).
    UNKNOWN if it is alive but the system does not tell; empty if it is not."""
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

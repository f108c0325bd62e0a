"""Python runs this file first if its folder is on PYTHONPATH. It shifts the time of day by the
number of seconds in the file named by CHAOS_CLOCK, and the time jumps when the number changes.
Monotonic clocks (time.monotonic, the machine's own clock) are unaffected, as when a real clock is
set; so is datetime, whose class C extensions know by its size."""

import mmap
import os
import struct
import time


def set_off(path: str) -> None:
    """Shift the functions that return the time of day, in this process."""
    with open(path, "rb") as file:
        shared = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    seconds, nanoseconds = time.time, time.time_ns

    def off() -> float:
        return struct.unpack("d", shared[:8])[0]

    time.time = lambda: seconds() + off()
    time.time_ns = lambda: nanoseconds() + int(off() * 1e9)


if "CHAOS_CLOCK" in os.environ:
    set_off(os.environ["CHAOS_CLOCK"])

"""Python runs this file first, where its folder is on PYTHONPATH: the time of day is off by as many
seconds as the file holds that CHAOS_CLOCK names, and jumps when they change. What only runs forward
(time.monotonic, the machine's own clock) is left alone, as it is when somebody sets a real clock;
so is datetime, whose class packages in C know by its size.
"""

import mmap
import os
import struct
import time


def set_off(path: str) -> None:
    """Shift what tells the time of day, in this process."""
    with open(path, "rb") as file:
        shared = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    seconds, nanoseconds = time.time, time.time_ns

    def off() -> float:
        return struct.unpack("d", shared[:8])[0]

    time.time = lambda: seconds() + off()
    time.time_ns = lambda: nanoseconds() + int(off() * 1e9)


if "CHAOS_CLOCK" in os.environ:
    set_off(os.environ["CHAOS_CLOCK"])

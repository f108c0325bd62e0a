"""Size limits for downloaded archives, and for the programs that fetch and unpack them.

A few bytes may unpack to more than a disk holds, by accident or on purpose. The member sizes stated
in an archive are added up before anything is written, and programs run with a file-size limit.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts.common.errors import UserError

GIB = 1024**3
RATIO = 100  # maximum ratio of unpacked to packed size
SMALL = 100 * 1024**2  # bytes that any archive may unpack to: silence compresses well
FILES = 200_000  # maximum per archive
# Sets the limit, then execs the program: set from outside, the limit could come too late.
BEGIN = """
import os, resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
os.execvp(sys.argv[2], sys.argv[2:])
"""


def check_unpacked(archive: Path, sizes: Iterable[int], largest: int) -> None:
    """Raise UserError as soon as the members' `sizes` exceed the limits of the archive: `largest`
    bytes, RATIO times its own size, FILES files."""
    packed = archive.stat().st_size
    most = min(largest, max(SMALL, RATIO * packed))
    total = 0
    for count, size in enumerate(sizes, start=1):
        total += size
        if total > most or count > FILES:
            what = f"more than {most / 1e6:.0f} MB" if total > most else f"more than {FILES} files"
            raise UserError(
                f"{archive} ({packed / 1e6:.1f} MB) unpacks to {what}: it is damaged, or made to "
                "fill a disk. It is not unpacked; delete it."
            )


def run(
    command: list[str], largest: int, timeout: float | None = None, **options: Any
) -> subprocess.CompletedProcess:
    """Run a program as subprocess.run does and capture its output as text; no file that it writes
    may exceed `largest` bytes. Raises FileNotFoundError and subprocess.TimeoutExpired."""
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(command[0])
    limit = [sys.executable, "-I", "-S", "-c", BEGIN, str(largest)]
    return subprocess.run(
        [*limit, *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        **options,
    )

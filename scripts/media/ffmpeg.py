"""Runs ffmpeg (the static binary of the imageio-ffmpeg wheel) with limits.

No input can make ffmpeg open another file or the network: only the protocols file, pipe and subfile
(a byte range of a file) are allowed, and the options of `read` also restrict the container formats.
ffmpeg's output includes text from the file (titles); its own lines start with their level, such as
"[error]", so a title is never mistaken for an error.
"""

from __future__ import annotations

import errno
import re
import resource
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import imageio_ffmpeg

from scripts.common.errors import UserError

# Containers of recordings. Playlists (hls, dash, concat), subtitles and device inputs are left out.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,"
    "wav,w64,flac,mp3,ogg,aac,aiff,caf,au,ac3,eac3,dts,amr,wv,tta"
)
MEMORY = 4 * 1024**3  # bytes of address space
FIRST, LAST = 8 * 1024**2, 1024**2  # bytes kept of the beginning and the end of ffmpeg's output
PIECE = 64 * 1024  # bytes read from it at a time


FAULT = re.compile(r"^(?:\[[^\]\n]*\] )*\[(?:error|fatal|panic)\] (.*)$", re.MULTILINE)
# Messages about ffmpeg's own components that follow the actual error.
AFTER = re.compile(
    r"Terminating thread|Task finished|Nothing was written|Cannot initialize a stand"
)
# Signals that kill ffmpeg through no fault of the input, and their usual causes.
KILLED = {
    signal.SIGKILL: "mostly memory ran out; run fewer jobs at once",
    signal.SIGTERM: "somebody or a scheduler ended it; run again",
    signal.SIGILL: "it was built for another processor; install another imageio-ffmpeg",
    signal.SIGBUS: "mostly a disk is full; free some space and run again",
}
DISK_FULL = 256 - errno.ENOSPC  # exit status: ffmpeg exits with the negative error number


class Failed(UserError):
    """ffmpeg failed, or `died_of` a signal: its last error, and in `told` all errors, one per
    line."""

    def __init__(self, words: str, died_of: str = ""):
        faults = [fault.strip() for fault in FAULT.findall(words)]
        own = [fault for fault in faults if not AFTER.match(fault)] or faults
        last = f"ffmpeg says: {own[-1] if own else 'nothing'}"
        super().__init__(f"{last} (and died of {died_of})" if died_of else last)
        self.told = "\n".join(faults)


def read(path: Path, span: tuple[int, int] | None = None) -> list[str]:
    """The options that open a recording; an unusual file name is never taken for a URL.

    `span` restricts it to the bytes from the first number up to, not including, the second.
    """
    address = f"file:{Path(path).resolve()}"
    if span:
        address = f"subfile,,start,{span[0]},end,{span[1]},,:{address}"
    return ["-format_whitelist", CONTAINERS, "-i", address]


def look(opened: list[str], timeout: float = 300.0) -> str:
    """ffmpeg's description of the recording that the options `opened` open; nothing is decoded.

    Raises Failed if it cannot be opened, UserError if that takes more than `timeout` seconds,
    OSError if ffmpeg was killed.
    """
    status, words = _call(opened, timeout)
    _alive(status, words)
    if "[info] Input #0, " not in words:
        raise Failed(words)
    return words


def run(
    arguments: list[str],
    output: Path,
    data: bytes | None = None,
    timeout: float = 1800.0,
    largest: int = 8 * 1024**3,
) -> str:
    """Run ffmpeg with `arguments` and then `output`; returns its stderr.

    `data` goes to its stdin (pipe:0); `largest` limits the bytes of the output. A failed run leaves
    no output. Raises OSError if the disk is full (ENOSPC) or ffmpeg was killed, Failed if ffmpeg
    fails or writes too much, UserError if it takes more than `timeout` seconds.
    """
    try:
        status, words = _call(
            [*arguments, f"file:{Path(output).resolve()}"], timeout, data or b"", largest
        )
    except UserError:
        _remove(output)
        raise
    if status:
        _remove(output)
        if status == DISK_FULL:
            raise OSError(errno.ENOSPC, "No space left on device", str(output))
        _alive(status, words)
        raise Failed(words)
    return words


def _call(
    arguments: list[str], timeout: float, data: bytes = b"", largest: int = 0
) -> tuple[int, str]:
    """ffmpeg's exit status and its stderr; it may write at most `largest` bytes per file."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-nostats", "-y"]
    command += ["-loglevel", "level+info", "-protocol_whitelist", "file,pipe,subfile", *arguments]
    with (
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process,
        ThreadPoolExecutor(1) as pool,
    ):
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest, largest))
        resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
        told, process.stderr = process.stderr, None  # communicate would keep all of it in memory
        assert told is not None
        words = pool.submit(_some, told)
        try:
            process.communicate(data, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise UserError(f"ffmpeg was stopped after {timeout:.0f} s.") from error
    return process.returncode, words.result().decode("utf-8", "replace")


def _alive(status: int, words: str) -> None:
    """Raises ChildProcessError if ffmpeg was killed, Failed if its input made it crash."""
    if status >= 0 or -status == signal.SIGXFSZ:  # it exceeded the file-size limit
        return
    number = signal.Signals(-status)
    if number in KILLED:
        raise ChildProcessError(f"ffmpeg died of {number.name}: {KILLED[number]}.")
    raise Failed(words, number.name)


def _some(told: IO[bytes]) -> bytes:
    """The beginning and the end of ffmpeg's output: a damaged file may produce a message per frame,
    or endless output, on one line or many."""
    with told:
        first = told.read(FIRST)
        last, left_out = bytearray(), False
        while piece := told.read(PIECE):
            last += piece
            if len(last) > 2 * LAST:
                del last[:-LAST]
                left_out = True
    if left_out:  # resume at a new line: a partial one could be misread
        del last[: last.find(b"\n") + 1 or len(last)]
    return b"\n".join([first, bytes(last)]) if left_out else first + last


def _remove(output: Path) -> None:
    Path(output).unlink(missing_ok=True)

"""Runs ffmpeg (the static binary of the imageio-ffmpeg wheel) with limits.

Nothing that ffmpeg reads can make it open another file or the network: only the protocols file
and pipe are allowed, and `read` gives the options that also narrow the container formats.
"""

from __future__ import annotations

import errno
import resource
import subprocess
from pathlib import Path

import imageio_ffmpeg

from scripts.common.stage import UserError

# Containers of recordings. Playlists (hls, dash, concat), subtitles and device inputs are not here.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,"
    "wav,w64,flac,mp3,ogg,aac,aiff,caf,au"
)
MEMORY = 4 * 1024**3  # bytes of address space


class Failed(UserError):
    """ffmpeg ended with an error: its last words, and in `told` all of them."""

    def __init__(self, told: str):
        lines = [line.strip() for line in told.splitlines() if line.strip()]
        super().__init__(f"ffmpeg says: {lines[-1] if lines else 'nothing'}")
        self.told = told


def read(path: Path) -> list[str]:
    """The options that open a recording; an odd file name is never taken for an address."""
    return ["-format_whitelist", CONTAINERS, "-i", f"file:{Path(path).resolve()}"]


def run(
    arguments: list[str],
    output: Path,
    data: bytes | None = None,
    timeout: float = 1800.0,
    largest: int = 8 * 1024**3,
) -> str:
    """Run ffmpeg with `arguments` and then `output`; returns what it told on stderr.

    `data` goes to its stdin (pipe:0); `largest` bounds the bytes of the output. A failed run leaves
    no output. Raises OSError (ENOSPC) if the disk is full, Failed if ffmpeg fails or writes too
    much, UserError if it needs more than `timeout` seconds.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-y"]
    command += ["-protocol_whitelist", "file,pipe", *arguments, f"file:{Path(output).resolve()}"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest, largest))
        resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            _, told = process.communicate(data or b"", timeout=timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            _remove(output)
            raise UserError(f"ffmpeg was stopped after {timeout:.0f} s.") from error
    words = told.decode("utf-8", "replace")
    if "No space left on device" in words:
        _remove(output)
        raise OSError(errno.ENOSPC, "No space left on device", str(output))
    if process.returncode:
        _remove(output)
        raise Failed(words)
    return words


def _remove(output: Path) -> None:
    Path(output).unlink(missing_ok=True)

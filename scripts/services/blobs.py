"""Files of audio that services spoke, beside the store; each is named by its digest.

A file that is there is whole: it is written under another name, brought to the disk and renamed.
What is read is compared with its name all the same, and a damaged file is replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from pathlib import Path

from scripts.common.errors import UserError
from scripts.services import processes

PART = ".part-"
OLD = 3600.0  # seconds after which a temporary file is nobody's, where nothing tells who lives
TRIAL = b"\0" * 4096  # what is written to see whether a folder can be written


class Blobs:
    """The files in `folder`, which is made. Raises UserError where it cannot be written."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.mark = f"{PART}{os.getpid()}-{processes.born(os.getpid())}-"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            trial = self._write(folder, TRIAL)
            trial.unlink()
        except OSError as error:
            raise UserError(
                f"the folder {folder}, where the audio of services is kept, cannot be written "
                f"({error.strerror}): nothing was asked. Mend that, or set services.store to a "
                "file in another folder."
            ) from error
        self.sweep()

    def write(self, blob: bytes) -> str:
        """Write audio; its name. Raises OSError where that fails."""
        name = hashlib.sha256(blob).hexdigest()
        if self.get(name) is None:
            path = self._path(name)
            if path.parent.exists() and not path.parent.is_dir():
                self._aside(path.parent)
            path.parent.mkdir(parents=True, exist_ok=True)  # somebody may have removed it
            if path.is_dir() and not path.is_symlink():
                self._aside(path)
            self._write(self.folder, blob).replace(path)
            _bring(path.parent)
        return name

    def get(self, name: str) -> bytes | None:
        """The audio of that name; None if it is not there, or damaged."""
        try:
            blob = self._path(name).read_bytes()
        except OSError:
            return None
        return blob if hashlib.sha256(blob).hexdigest() == name else None

    def sweep(self) -> None:
        """Remove what processes that are no more have left half written. One that is known to
        live is told by its number and its beginning, whatever the time of day is."""
        for path in (*self.folder.glob(f"{PART}*"), *self.folder.glob(f"*/{PART}*")):
            with contextlib.suppress(OSError):
                pid, _, rest = path.name.removeprefix(PART).partition("-")
                born = processes.born(int(pid)) if pid.isdigit() else ""
                if born == processes.UNKNOWN:
                    alive = time.time() - path.stat().st_mtime <= OLD
                else:
                    alive = born != "" and born == rest.partition("-")[0]
                if not alive:
                    path.unlink()

    def _aside(self, path: Path) -> None:
        """Move what lies where audio should out of the way: it is not ours to delete."""
        path.rename(path.with_name(f"{path.name}.aside-{secrets.token_hex(4)}"))

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name

    def _write(self, folder: Path, blob: bytes) -> Path:
        """A new file with `blob` in it, on the disk; nothing is left where that fails."""
        path = folder / f"{self.mark}{secrets.token_hex(4)}"
        try:
            with path.open("wb") as file:
                file.write(blob)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path


def _bring(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

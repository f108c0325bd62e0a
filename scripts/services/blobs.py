"""Audio from services, in content-addressed files beside the store.

Files are written under a temporary name, synced and renamed atomically. They are checked against
their name (the sha256) when read, and damaged ones are replaced.
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
OLD = 3600.0  # seconds after which a temporary file is stale, if its process cannot be checked
TRIAL = b"\0" * 4096  # written to test whether a folder is writable


class Blobs:
    """The files in `folder`, which is created. Raises UserError if it is not writable."""

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
        """Write audio and return its name. Raises OSError if that fails."""
        name = hashlib.sha256(blob).hexdigest()
        if self.get(name) is None:
            path = self._path(name)
            if path.parent.exists() and not path.parent.is_dir():
                self._aside(path.parent)
            path.parent.mkdir(parents=True, exist_ok=True)  # it may have been removed
            if path.is_dir() and not path.is_symlink():
                self._aside(path)
            self._write(self.folder, blob).replace(path)
            _bring(path.parent)
        return name

    def get(self, name: str) -> bytes | None:
        """The audio of that name; None if it is missing or damaged."""
        try:
            blob = self._path(name).read_bytes()
        except OSError:
            return None
        return blob if hashlib.sha256(blob).hexdigest() == name else None

    def sweep(self) -> None:
        """Remove partial files of dead processes. A live process is identified by its id and start
        time, so the wall clock does not matter."""
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
        """Rename a foreign file in the place of audio: it is not ours to delete."""
        path.rename(path.with_name(f"{path.name}.aside-{secrets.token_hex(4)}"))

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name

    def _write(self, folder: Path, blob: bytes) -> Path:
        """A new file with `blob`, synced to disk; nothing is left if that fails."""
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
    """Sync a folder's entries to disk, where the system supports it."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

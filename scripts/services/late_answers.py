"""Answers that could not be written because the store was locked for too long: files beside it,
taken in when it is opened again."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.common import job
from scripts.common.errors import UserError

KINDS = {  # the fields of an answer besides its value
    **{"attempt": int, "key": str, "version": str, "blob": str | None, "seconds": float | int},
    **{"used": dict, "usd": float | int | None},
}
OLD = 3600.0  # seconds after which a partial file is stale


class Late:
    """The files in `folder`, which is created with the first one. Raises UserError if something
    else has its name."""

    def __init__(self, folder: Path):
        self.folder = folder
        if folder.exists() and not folder.is_dir():
            raise UserError(
                f"{folder}, for answers while the store is locked, is no folder: nothing "
                "was asked. Move it away, or set services.store to a file in another folder."
            )

    def put(self, answer: dict[str, Any]) -> Path:
        """Write an answer, whose `blob` may be bytes, with an atomic rename. Raises OSError if that
        fails."""
        blob = answer["blob"]
        data = None if blob is None else base64.b64encode(blob).decode("ascii")
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{answer['attempt']}-{secrets.token_hex(4)}.json"
        part = path.with_suffix(".part")
        try:
            with part.open("w", encoding="utf-8") as file:
                json.dump({**answer, "blob": data}, file)
                file.flush()
                os.fsync(file.fileno())
            return part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def all(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The answers and their files, to be removed once the answers are in the store. Partial
        files of dead processes are removed."""
        for path in self.folder.glob("*.part"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > OLD:
                    path.unlink()
        for path in sorted(self.folder.glob("*.json")):
            try:
                answer = _whole(json.loads(path.read_text("utf-8")))
            except OSError:  # another process took it
                continue
            except (ValueError, KeyError, TypeError, RecursionError):
                print(f"warning: {path} is damaged and passed over.", file=job.screen())
                continue
            yield path, answer


def _whole(answer: Any) -> dict[str, Any]:
    """Check that an answer is what `put` wrote. Raises ValueError, KeyError or TypeError."""
    for name, kinds in KINDS.items():
        if not isinstance(answer[name], kinds):
            raise TypeError(name)
    blob = answer["blob"]
    return {**answer, "blob": None if blob is None else base64.b64decode(blob, validate=True)}

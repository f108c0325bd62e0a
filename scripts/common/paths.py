"""Where the project lies, and what tells one file from another."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def sha256_of(file: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal digits."""
    with Path(file).open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()

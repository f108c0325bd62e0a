"""Reads JSON files that other people made. Imported by the Snakefile: light imports only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts.common.errors import UserError
from scripts.common.json_path import HALF, mended
from scripts.common.tables import text_of


def read_json(path: Path) -> Any:
    """The document in a JSON file, with its texts mended.

    Raises UserError for a missing, other or half file, and for a key that is twice in an object, of
    which json.loads would take the last.
    """
    text = text_of(path)
    if text.startswith("version https://git-lfs"):
        raise UserError(f"{path} is a pointer of Git LFS; fetch the file with `git lfs pull`.")
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not whole JSON ({error}); copy it again.") from error


def _object(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    pairs = [(_whole(name), _whole(value)) for name, value in pairs]
    names = [name for name, _ in pairs]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UserError(f"{path}: '{twice[0]}' is there twice in one object; keep one of them.")
    return dict(pairs)


def _whole(value: Any) -> Any:
    """A text without halves of characters; speech in base64 is long, and has none."""
    return mended(value) if isinstance(value, str) and HALF.search(value) else value

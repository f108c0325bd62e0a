"""Synthesizes a written episode (config/episodes/*.yaml) with a text-to-speech backend's voices.

For languages without an available multi-speaker recording. The result is synthetic, and every row
about it says so. The file:

    title: ...
    language: Chinese
    cast:
      <role id>: {character: <name>, voice: <a voice of the backend>}
    lines:
      - <role id>: <what is said>
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from scripts import backends
from scripts.backends.tts import TtsBackend
from scripts.common.documents import check
from scripts.common.errors import UserError
from scripts.media.episode import Line
from scripts.workflow.model_spec import ModelSpec


def lines(path: Path, tts: ModelSpec) -> tuple[str, list[Line], int]:
    """The title of an episode, its spoken lines and their rate in Hz.

    `tts` is the spec of the backend; a cast member's `voice` is its handle {"voice": name}. Raises
    UserError for a file of another form than described above.
    """
    episode = read(path)
    backend: TtsBackend = backends.load(tts)
    cast, language = episode["cast"], episode["language"]
    said = [next(iter(line.items())) for line in episode["lines"]]
    handles = {role: {"voice": member["voice"]} for role, member in cast.items()}
    try:
        clips = backend.speak([(text, handles[role], language) for role, text in said])
    except (KeyError, ValueError) as error:
        raise UserError(f"{path} cannot be spoken: {error}") from error
    spoken = [
        Line(role, cast[role]["character"], path.stem, str(number), text, clip)
        for number, ((role, text), clip) in enumerate(zip(said, clips, strict=True))
    ]
    return episode["title"], spoken, backend.rate


def read(path: Path) -> dict[str, Any]:
    """The checked episode file."""
    try:
        episode = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"the episode {path} is not YAML in UTF-8: {error}") from error
    check(episode, "episode", str(path))
    for number, line in enumerate(episode["lines"], start=1):
        (role,) = line
        if role not in episode["cast"]:
            raise UserError(
                f"{path}: line {number} is said by '{role}', who is not in the cast "
                f"({', '.join(episode['cast'])})."
            )
    return episode

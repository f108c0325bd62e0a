"""Reads released dialogues: texts, audio by path or in base64, context, system prompt, category.

A file is a list of a role's dialogues of one mode. Reference speech is in `role_speech_path`, or in
`role_speech_path1` to 3 (the hub's version has three sets), or so in base64. Where a path leads to
no file, the base64 beside it is taken.

Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from scripts.benchmark.layout import located
from scripts.common.errors import UserError
from scripts.common.json_file import read_json
from scripts.rows.jsonl import fault_of

MARK = "[Character script]"  # after it a system prompt has the context
AUDIO = re.compile(r"(user|role)_speech_(path|base64)_?([1-3]?)")
# Characters a second that speech may have, at most and, with as many seconds of silence, at least.
FASTEST, SLOWEST, SILENCE = {"wide": 12, "other": 30}, {"wide": 1, "other": 3}, 5
WIDE = re.compile(r"[\u3400-\u9fff]")
POINTER = b"version https://git-lfs"  # a file that Git LFS has not fetched begins so
STREAMED = 0x7FFF0000  # a WAV file says so many bytes or more, or 0, where its writer did not know

# Texts that may be lacking, or in several pieces.
Loose = Annotated[str, BeforeValidator(lambda v: "\n".join(v) if isinstance(v, list) else v or "")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Turn(BaseModel):
    model_config = ConfigDict(extra="allow")
    user: Text
    role: Text


class _Item(BaseModel):
    model_config = ConfigDict(extra="allow")
    dialogue: list[_Turn]
    context: Loose = ""
    system_prompt: Loose = ""
    category: Loose = ""


@dataclass(frozen=True)
class Speech:
    """One recorded utterance, in a file or in bytes."""

    where: str
    file: Path | None
    data: bytes = b""

    def header(self) -> tuple[float, int, str]:
        """Seconds, rate and suffix. Raises UserError for audio that does not open or is empty."""
        import soundfile

        try:
            info = soundfile.info(self.file or io.BytesIO(self.data))
        except (OSError, soundfile.LibsndfileError) as error:
            raise self._unreadable(error) from error
        if not info.frames:
            raise UserError(f"{self.where}: {self.name} is audio without a sample; copy it again.")
        suffix = self.file.suffix if self.file else f".{info.format.lower().removesuffix('ex')}"
        return info.frames / info.samplerate, info.samplerate, suffix

    @property
    def name(self) -> str:
        return str(self.file) if self.file else "the base64"

    def fault(self) -> str | None:
        """What is wrong with audio that opens: it is cut off, or silent. Raises UserError for
        samples that are no numbers."""
        import numpy as np
        import soundfile

        heard = False
        try:
            with soundfile.SoundFile(self.file or io.BytesIO(self.data)) as audio:
                exact = audio.subtype not in ("FLOAT", "DOUBLE")
                for block in audio.blocks(audio.samplerate, dtype="float32"):
                    if not np.isfinite(block).all():
                        raise UserError(
                            f"{self.where}: {self.name} has samples that are no numbers; copy it "
                            "again."
                        )
                    heard = heard or bool(block.any())
                    if heard and exact:
                        break
        except (OSError, soundfile.LibsndfileError) as error:
            raise self._unreadable(error) from error
        lacking = self._lacking()
        if lacking:
            return f"the last {lacking} bytes of the audio are not there"
        return None if heard else "the audio is silent throughout"

    def _unreadable(self, error: Exception) -> UserError:
        why, todo = getattr(error, "error_string", error), "copy it again"
        if self._beginning(len(POINTER)) == POINTER:
            why, todo = "a pointer of Git LFS", "fetch what it stands for with `git lfs pull`"
        return UserError(f"{self.where}: {self.name} does not open as audio ({why}); {todo}.")

    def _lacking(self) -> int:
        """How many bytes a WAV file says that it has, and has not."""
        size = self.file.stat().st_size if self.file else len(self.data)
        head = self._beginning(4096)
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            return 0
        place = 12
        while place + 8 <= len(head):
            (length,) = struct.unpack_from("<I", head, place + 4)
            if head[place : place + 4] == b"data":
                return max(place + 8 + length - size, 0) if length < STREAMED else 0
            place += 8 + length + length % 2
        return 0

    def _beginning(self, count: int) -> bytes:
        if self.file is None:
            return self.data[:count]
        with self.file.open("rb") as file:
            return file.read(count)

    def copy(self, path: Path) -> None:
        """Write the audio as it is."""
        path.write_bytes(self.file.read_bytes() if self.file else self.data)


@dataclass(frozen=True)
class Turn:
    user: str
    role: str
    user_speech: Speech
    references: dict[int, Speech]  # by number of the set


@dataclass(frozen=True)
class Item:
    """A released dialogue; `where` names file and number, from 1."""

    where: str
    turns: list[Turn]
    context: str
    system_prompt: str
    category: str


def read_items(path: Path, folder: Path, sets: Sequence[int]) -> list[Item]:
    """The dialogues of a file of the benchmark in `folder`, with the wanted sets of reference
    speech. Raises UserError for a file of another shape and for a turn without audio."""
    document = read_json(path)
    if not isinstance(document, list) or not document:
        raise UserError(f"{path}: a list with at least one dialogue is expected.")
    return [
        _item(one, f"{path}, dialogue {number}", path, folder, sets)
        for number, one in enumerate(document, start=1)
    ]


def profile_in(item: Item) -> str:
    """The role profile that a system prompt begins with."""
    return item.system_prompt.partition(MARK)[0].strip()


def speaks_of(row: dict[str, str], text: str) -> bool:
    """Whether a text names the role of a row of roles.tsv, in whole or by each of its words."""
    bare = _bare(text)
    names = [_bare(row["name"]), _bare(row["role"])]
    return any(
        name.replace(" ", "") in bare.replace(" ", "") or set(name.split()) <= set(bare.split())
        for name in names
    )


def odd_length(text: str, seconds: float) -> str | None:
    """Why audio of that length cannot be somebody saying the text, or None."""
    wide = len(WIDE.findall(text))
    other = len(text) - wide
    least = wide / FASTEST["wide"] + other / FASTEST["other"]
    most = wide / SLOWEST["wide"] + other / SLOWEST["other"] + SILENCE
    if least <= seconds <= most:
        return None
    return f"{seconds:.1f} s of audio for {len(text)} characters"


def oddity(text: str | None, speech: Speech) -> str | None:
    """Why audio cannot be somebody saying the text (None: it is not known), or None. Raises
    UserError for audio that does not open."""
    seconds = speech.header()[0]
    return speech.fault() or (odd_length(text, seconds) if text else None)


def _bare(text: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", text.casefold()).split())


def _item(found: Any, where: str, path: Path, folder: Path, sets: Sequence[int]) -> Item:
    try:
        item = _Item.model_validate(found)
    except ValidationError as error:
        raise UserError(
            f"{where}: not a released dialogue ({fault_of(error)}); expected are dialogue, "
            "context, system_prompt and category."
        ) from error
    if not item.dialogue:
        raise UserError(f"{where}: it has no turn; copy the file again.")
    places = (path.parent, folder, folder.parent)
    turns = [
        _turn(turn, f"{where}, turn {number}", places, sets)
        for number, turn in enumerate(item.dialogue, start=1)
    ]
    return Item(where, turns, item.context.strip(), item.system_prompt, item.category)


def _turn(turn: _Turn, where: str, places: Sequence[Path], sets: Sequence[int]) -> Turn:
    given: dict[tuple[str, int], dict[str, str]] = {}
    for key, value in (turn.model_extra or {}).items():
        form = AUDIO.fullmatch(key)
        if form and value:
            if not isinstance(value, str):
                raise UserError(f"{where}: {key} must be text.")
            own = given.setdefault((form[1], int(form[3] or 1)), {})
            if own.get(form[2], value) != value:
                raise UserError(f"{where}: {key} differs from the one without a number; keep one.")
            own[form[2]] = value
    there = sorted(number for who, number in given if who == "role")
    for number in sets:
        if there and number not in there:
            told = " and ".join(map(str, there))
            raise UserError(
                f"{where}: there is no set {number} of reference speech, only {told}; change the "
                "config's `reference`."
            )
    return Turn(
        turn.user,
        turn.role,
        _speech(given, ("user", 1), where, places),
        {number: _speech(given, ("role", number), where, places) for number in sets},
    )


def _speech(
    given: dict[tuple[str, int], dict[str, str]],
    who: tuple[str, int],
    where: str,
    places: Sequence[Path],
) -> Speech:
    own = given.get(who, {})
    if not own:
        raise UserError(
            f"{where}: it has no {who[0]}_speech_path, so there is nothing to hear; take the file "
            "from the release again."
        )
    file = located(own["path"], places) if "path" in own else None
    if file is None and "base64" in own:
        text = re.sub(r"^data:[^,]*,", "", own["base64"])
        try:
            return Speech(where, None, base64.b64decode("".join(text.split()), validate=True))
        except binascii.Error as error:
            raise UserError(
                f"{where}: {who[0]}_speech_base64 is not base64 ({error}); copy the file again."
            ) from error
    if file is None:
        raise UserError(
            f"{where}: '{own['path']}' is not in {places[1]}; copy the speech beside its JSON."
        )
    return Speech(where, file)

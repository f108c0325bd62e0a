"""Reads the voice-acted dialogues of Flight of the Amazon Queen (queen.1c, compressed talkie).

The archive is big-endian. Byte 12 is the compression of the speech, the u16 at 13 the number of
index entries; these start at byte 15: a 12-byte name, u8 bundle, u32 offset, u32 size each.

NAME.DOG is a dialogue of the hero Joe with one character. After a 20-byte header come int16s: the
number of levels (below 0: the player cannot walk away), a key, the talk key, the number of Joe's
texts and of the other person's; the u16 at 22 points to the other person's texts. From 32 on, each
level is six nodes of four int32: text id, target level, and two for the game's state. Node 0 is
what the other person says on entering, 1 to 5 are what Joe can say (5 in another's place). Joe's
texts follow: int32 id, length byte, text, padded to a multiple of four. The first text of each
list has the id 0.

Marks such as `*03` (an animation) separate the pieces of a text. Piece k of a text of Joe's is the
voice file <talk key, two decimal digits><id, four hex digits>J<k, hex>.SB; P stands for the other
person, and Joe's opening words (id 0) are <talk key>SSSSJ<k>.SB. This holds for 2,209 of the 2,210
voiced texts of the 73 dialogues.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from scripts.common.documents import nearest
from scripts.common.errors import UserError

HERO = "Joe"
# File names that abbreviate a name used in the texts.
FULL_NAMES = {"AND": "Anderson", "PRIN": "Azura", "TAM": "Mary-Lou"}
MARK = re.compile(r"\*(?:XY\d\d\(\d+,\d+\)|[0-9A-Z]{2})")
LEAVE = -1


@dataclass(frozen=True)
class Line:
    """One voice file: speaker and text. The pieces of one text share a `text_id`."""

    character: str
    text_id: str
    text: str
    samples: np.ndarray  # (n,) float32 as recorded
    rate: int


class Archive:
    """An opened queen.1c. Raises UserError if the file is not such an archive."""

    def __init__(self, path: Path):
        self.path = path
        self._data = Path(path).read_bytes()
        self._entries: dict[str, tuple[int, int]] = {}
        try:
            (count,) = struct.unpack_from(">H", self._data, 13)
            for number in range(count):
                name, _, start, size = struct.unpack_from(">12sBII", self._data, 15 + 21 * number)
                self._entries[name.rstrip(b"\0").decode("latin-1")] = (start, size)
        except struct.error as error:
            raise UserError(
                f"{path} is cut short or not a compressed queen.1c: {error}."
            ) from error
        if not self._data.startswith(b"QTBL"):
            raise UserError(f"{path} is not a queen.1c: it does not begin with QTBL.")

    def dialogues(self) -> list[str]:
        """The names of all dialogues, e.g. SPARKY1."""
        return sorted(name[:-4] for name in self._entries if name.endswith(".DOG"))

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def read(self, name: str) -> bytes:
        start, size = self._entries[name]
        return self._data[start : start + size]


def lines(archive: Archive, dialogue: str) -> list[Line]:
    """All voiced lines of a dialogue, in the order in which a thorough player hears them.

    First Joe's opening words, then each of Joe's choices with its reply and its follow-ups before
    the next choice, goodbyes last. Each text occurs once; voiced texts that no choice leads to come
    at the end, by id. A text whose pieces do not match its voice files is left out, and a message
    is printed. Raises UserError for an unknown dialogue or a damaged archive.
    """
    if dialogue not in archive.dialogues():
        raise UserError(
            f"{archive.path} has no dialogue '{dialogue}'{nearest(dialogue, archive.dialogues())}"
        )
    try:
        key, levels, joe, other = _parse(archive.read(f"{dialogue}.DOG")[20:])
    except (struct.error, IndexError) as error:
        raise UserError(f"{archive.path}: the dialogue {dialogue} is damaged: {error}.") from error
    stem = dialogue.rstrip("0123456789")
    names = {"J": HERO, "P": FULL_NAMES.get(stem, stem.capitalize())}
    texts = {(ident, "J"): text for ident, text in joe.items()}
    texts |= {(ident, "P"): text for ident, text in other.items() if ident}
    found = []
    for ident, who in _order(levels, texts):
        stem = f"{key:02d}{f'{ident:04X}' if ident else 'SSSS'}{who}"
        files = {k for k in range(1, 16) if f"{stem}{k:X}.SB" in archive}
        pieces = {k: t.strip() for k, t in enumerate(MARK.split(texts[ident, who]), 1) if t.strip()}
        if not files:
            continue
        if files != set(pieces):
            print(f"{dialogue}: left out {texts[ident, who]!r}: it has {len(files)} voice files.")
            continue
        for k, text in pieces.items():
            samples, rate = _decode(archive, f"{stem}{k:X}.SB")
            found.append(Line(names[who], f"{dialogue}/{ident}{who}", text, samples, rate))
    if not found:
        raise UserError(f"{archive.path}: nobody speaks in the dialogue {dialogue}.")
    return found


def _parse(data: bytes) -> tuple[int, dict[int, list[tuple[int, int]]], dict, dict]:
    """Talk key, {entering id: [(text id, target)]}, Joe's texts, the other person's texts."""
    depth, _, key, joe_count, other_count = struct.unpack_from(">5h", data)
    depth = abs(depth)
    (other_at,) = struct.unpack_from(">H", data, 22)
    levels: dict[int, list[tuple[int, int]]] = {}
    for level in range(depth):
        nodes = [struct.unpack_from(">4i", data, 32 + 96 * level + 16 * n)[:2] for n in range(6)]
        levels.setdefault(nodes[0][0], nodes[1:])
    joe = _texts(data, 32 + 96 * depth, joe_count)
    return key, levels, joe, _texts(data, other_at, other_count)


def _texts(data: bytes, at: int, count: int) -> dict[int, str]:
    found: dict[int, str] = {}
    for _ in range(count):
        ident, length = struct.unpack_from(">iB", data, at)
        found.setdefault(ident, data[at + 5 : at + 5 + length].decode("latin-1"))
        at += -(-(5 + length) // 4) * 4
    return found


def _order(levels: dict, texts: dict) -> list[tuple[int, str]]:
    """The keys of `texts`, each once, in the order of a player who makes every choice."""
    order: dict[tuple[int, str], None] = {(0, "J"): None}
    goodbyes: list[int] = []
    entered: set[int] = set()

    def enter(ident: int) -> None:
        if ident in entered:
            return
        entered.add(ident)
        order.update({(ident, "P"): None})
        for choice, leads_to in levels.get(ident, []):
            if leads_to == LEAVE:
                goodbyes.append(choice)
                continue
            say(choice)
            if leads_to != next(iter(levels)):
                say(leads_to)

    def say(ident: int) -> None:
        order.update({(ident, "J"): None})
        enter(ident)

    enter(next(iter(levels)))
    for ident in goodbyes:
        order.update({(ident, "J"): None, (ident, "P"): None})
    order.update(dict.fromkeys(sorted(texts)))
    return [key for key in order if key in texts]


def _decode(archive: Archive, name: str) -> tuple[np.ndarray, int]:
    try:
        samples, rate = soundfile.read(io.BytesIO(archive.read(name)), dtype="float32")
    except soundfile.LibsndfileError as error:
        raise UserError(
            f"{archive.path}: the voice file {name} cannot be decoded: {error}"
        ) from error
    return samples.reshape(len(samples), -1).mean(axis=1), rate

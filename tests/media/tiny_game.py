"""A queen.1c of two dialogues, written byte by byte: each voice file is a different tone."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import soundfile

RATE = 11_025

JOE = {
    0: "Hello Bob.*02",
    6: "How is business?*03",
    7: "Response a map?*01",
    8: "Bye.*02",
    30: "Why?",
}
BOB = {0: "", 1: "*03Howdy!*00What can I do for you?", 6: "Slow.", 7: "A map?*00No.", 8: "So long."}
BOB[30] = "It's the *XY00(128,112)*FLjungle."
# Joe may ask 6, 7 and 9 (not voiced) and leave with 8; after 6 he may ask 30.
LEVELS = [[(1, 0), (8, -1), (6, 1), (7, 1), (9, 1), (0, 0)], [(6, 0), (30, 1)] + [(0, 0)] * 4]
BOB_VOICES = ["SSSSJ1", "0001P2", "0001P3", "0006J1", "0006P1", "0007J1", "0007P1", "0008J1"]
BOB_VOICES += ["0008P1", "001EJ1", "001EP1", "001EP3"]  # 7P lacks its second piece


def build(path: Path) -> Path:
    """Write the archive: BOB1 (talk key 7) and AND1 (talk key 2)."""
    entries = {"BOB1.DOG": _dialogue(7, LEVELS, JOE, BOB)}
    entries |= {f"07{name}.SB": _voice(300 + 40 * k) for k, name in enumerate(BOB_VOICES)}
    short = [[(1, 0), (6, -1)] + [(0, 0)] * 4]
    entries["AND1.DOG"] = _dialogue(2, short, {0: "0", 6: "Move over."}, {0: "", 1: "Hey, King!"})
    entries |= {"020001P1.SB": _voice(900), "020006J1.SB": _voice(950)}
    at = 15 + 21 * len(entries)
    index, data = b"", b""
    for name, content in entries.items():
        index += struct.pack(">12sBII", name.encode(), 1, at + len(data), len(content))
        data += content
    header = b"QTBLCEM10\0\0\0" + bytes([1]) + struct.pack(">H", len(entries))
    path.write_bytes(header + index + data)
    return path


def _voice(hertz: float, seconds: float = 0.5) -> bytes:
    """A tone between 50 ms of silence, as FLAC: files are identified by content."""
    tone = 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    file = io.BytesIO()
    soundfile.write(file, np.pad(tone, round(0.05 * RATE)), RATE, format="FLAC")
    return file.getvalue()


def _dialogue(key: int, levels: list, joe: dict[int, str], other: dict[int, str]) -> bytes:
    nodes = b"".join(struct.pack(">4i", *node, 0, 0) for level in levels for node in level)
    head = struct.pack(">11h", -len(levels), key, key, len(joe), len(other), *[0] * 6)
    joe_part = _texts(joe)
    other_at = 32 + len(nodes) + len(joe_part)
    head += struct.pack(">H", other_at) + bytes(8)
    return b"header Datas   ".ljust(20, b"\0") + head + nodes + joe_part + _texts(other)


def _texts(texts: dict[int, str]) -> bytes:
    parts = b""
    for ident, text in texts.items():
        part = struct.pack(">iB", ident, len(text)) + text.encode()
        parts += part.ljust(-(-len(part) // 4) * 4, b"\0")
    return parts

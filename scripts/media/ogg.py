"""Finds the links of a chained Ogg file, which is a concatenation of recordings.

ffmpeg reads such a file only while channels and codec stay the same, so each link is read as a
separate file (RFC 3533: all streams of a link start before its first other page).
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

MARK = b"OggS"
HEADER = 27  # bytes of a page before the segment table
BEGINS = 2  # flag of a page that starts a stream
MOST = 1000  # links; more is not a recording, and each takes two runs of ffmpeg
PAGES = 5_000_000  # pages examined: some hours of film


def links(path: Path) -> list[tuple[int, int]]:
    """The first byte and the end of each link; a single link if `path` is not a chained Ogg."""
    size = path.stat().st_size
    starts, at, begun, pages = [0], 0, True, 0  # begun: the previous page starts a stream
    with path.open("rb") as file:
        while at < size and len(starts) < MOST and pages < PAGES:
            file.seek(at)
            head = file.read(HEADER + 255)
            pages += 1
            if head[:4] != MARK and not at:
                break  # not an Ogg
            if head[:4] != MARK or len(head) < HEADER:
                at = _next(file, at)  # damaged here
                continue
            begins = bool(head[5] & BEGINS)
            if begins and not begun:
                starts.append(at)
            begun = begins
            parts = head[26]
            at += HEADER + parts + sum(head[HEADER : HEADER + parts])
    return list(zip(starts, [*starts[1:], size], strict=True))


def _next(file: BinaryIO, at: int) -> int:
    """Where the next page starts after a damaged region, or how far none was found."""
    file.seek(at + 1)
    stretch = file.read(1 << 20)
    found = stretch.find(MARK)
    return at + 1 + (found if found >= 0 else max(len(stretch) - 3, 1))

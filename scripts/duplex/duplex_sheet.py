"""A blinded sheet on which people rate how natural conversations sound (DMOS, 1 to 5).

Raters hear the user left and the system right. The paper on PersonaPlex gives each rater eight
samples; so has a page of this sheet, its samples in an order that is drawn by hash. A sample's id
does not tell the system; the table duplex_table1 finds it again.
"""

from pathlib import Path

import numpy as np

from scripts.common import audio as sounds
from scripts.rows.duplex import Conversation, DuplexItem, sample_of
from scripts.rows.jsonl import content_id, given, read_rows
from scripts.workflow import stage

PAGE = 8  # samples
RATE = 24_000


def duplex_sheet(
    item_rows: list[Path],
    user_audio: list[Path],
    conversations: list[Path],
    audio: list[Path],
    sheet: Path,
    samples: Path,
    most: int,
) -> None:
    """Write the `sheet` (tsv, a line a sample) and the folder `samples` of stereo FLACs, 24 kHz.

    Of each collection the items that each of its systems has a side of, at most so many. Files and
    folders are in the same order: `item_rows` by collection, `conversations` by system and
    collection.
    """
    users = {
        (row.collection, row.id): folder / row.audio
        for file, folder in zip(item_rows, user_audio, strict=True)
        for row in read_rows(file, DuplexItem)
        if not row.dropped
    }
    sides: dict[str, dict[str, list[tuple[Conversation, Path]]]] = {}
    systems: dict[str, set[str]] = {}
    for file, folder in zip(conversations, audio, strict=True):
        for row in read_rows(file, Conversation):
            systems.setdefault(row.collection, set()).add(row.system)
            if not row.dropped and (row.collection, row.id) in users:
                own = sides.setdefault(row.collection, {}).setdefault(row.id, [])
                own.append((row, folder / given(row.audio)))
    samples.mkdir(parents=True, exist_ok=True)
    found = []
    for collection, by_item in sides.items():
        whole = [key for key, own in by_item.items() if len(own) == len(systems[collection])]
        for ident in sorted(whole, key=lambda key: content_id("sheet", key))[:most]:
            left = sounds.read(users[collection, ident], rate=RATE)
            for row, path in by_item[ident]:
                sounds.write(samples / f"{sample_of(row)}.flac", stereo(left, path), RATE)
                found.append(sample_of(row))
    lines = [f"\t{n // PAGE + 1}\t{sample}\t\n" for n, sample in enumerate(sorted(found))]
    sheet.write_text("rater\tpage\tsample\tscore\n" + "".join(lines), encoding="utf-8")


def stereo(left: np.ndarray, path: Path) -> np.ndarray:
    """(n, 2) float32 at RATE: one side, and that of a file."""
    right = sounds.read(path, rate=RATE)
    both = np.zeros((max(len(left), len(right)), 2), np.float32)
    both[: len(left), 0], both[: len(right), 1] = left, right
    return both


if __name__ == "__main__":
    stage.run(duplex_sheet, globals().get("snakemake"))

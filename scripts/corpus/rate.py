"""Speech quality of every clip: DNSMOS P.835; clips below the limit are dropped.

Paper, section 3.1: "clips with an overall quality score below 3 are filtered out" (OVRL).
"""

from dataclasses import astuple
from pathlib import Path

import numpy as np

from scripts import backends
from scripts.backends.quality import QualityBackend, Ratings
from scripts.common import audio
from scripts.common.progress import progress
from scripts.rows.corpus import Quality, Recording, Segment
from scripts.rows.jsonl import given, read_rows, write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

BATCH = 16  # clips in memory at a time


def rate(
    vocals: Path,
    recordings: Path,
    segments: Path,
    rated: Path,
    quality: ModelSpec,
    lowest_ovrl: float,
) -> None:
    """Write one row of `Quality` for each segment that `segment` kept.

    vocals: folder of mono 16 kHz FLAC, named by the rows of `recordings`; scores run from 1 to 5.
    A clip whose OVRL is below `lowest_ovrl` keeps its row, with the reason in `dropped`.
    """
    files = {row.id: row.file for row in read_rows(recordings, Recording)}
    clips = [row for row in read_rows(segments, Segment) if row.dropped is None]
    clips.sort(key=lambda row: (row.media, row.start))
    rater: QualityBackend = backends.load_for(clips, quality)
    rows: list[Quality] = []
    batches = [clips[start : start + BATCH] for start in range(0, len(clips), BATCH)]

    def read(batch: list[Segment]) -> list[np.ndarray]:
        return [audio.read(vocals / given(files[row.media]), row.start, row.end) for row in batch]

    due = audio.ahead(batches, read)
    for batch, sounds in progress(due, len(batches), "rate, batches"):
        for row, scores in zip(batch, rater.rate(sounds), strict=True):
            rows.append(judged(row.id, scores, lowest_ovrl))
    write_rows(rated, rows)


def judged(segment: str, scores: Ratings, lowest_ovrl: float) -> Quality:
    """The row of a segment from its scores, rounded to 3 decimals before they are compared."""
    ovrl, sig, bak = (round(float(score), 3) for score in astuple(scores))
    row = Quality(id=segment, ovrl=ovrl, sig=sig, bak=bak)
    if ovrl < lowest_ovrl:
        row.dropped = f"OVRL {ovrl:.2f} is below {float(lowest_ovrl)}"
    return row


if __name__ == "__main__":
    stage.run(rate, globals().get("snakemake"))

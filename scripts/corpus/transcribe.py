"""Transcripts of all speech, in the language of the recording.

Paper, section 3.1: clips are transcribed by Whisper (it prints `whisper-medium-v3`, which is not a
published checkpoint). Segments that were dropped as clips are transcribed too, if they contain
speech: they are the context for identifying a speaker.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np

from scripts import backends
from scripts.backends.asr import AsrBackend
from scripts.common import audio
from scripts.common.progress import progress
from scripts.rows.corpus import Recording, Segment, Transcript
from scripts.rows.jsonl import Language, given, read_rows, write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

BATCH = 16  # clips a call


def transcribe(
    vocals: Path, recordings: Path, segments: Path, transcripts: Path, asr: ModelSpec
) -> None:
    """Write one row of `Transcript` for each segment that holds speech, by medium and start.

    vocals: folder of mono 16 kHz FLAC, named by the rows of `recordings`. A segment in which
    nothing was recognised has an empty text.
    """
    media = {row.id: row for row in read_rows(recordings, Recording)}
    spoken = [row for row in read_rows(segments, Segment) if row.speech > 0]
    spoken.sort(key=lambda row: (row.media, row.start))
    by_language: dict[Language, list[Segment]] = defaultdict(list)
    for row in spoken:
        by_language[media[row.media].language].append(row)
    batches = [
        (language, rows[start : start + BATCH])
        for language, rows in sorted(by_language.items())
        for start in range(0, len(rows), BATCH)
    ]
    model: AsrBackend = backends.load_for(batches, asr)
    texts: dict[str, Transcript] = {}

    def read(due: tuple[Language, list[Segment]]) -> list[np.ndarray]:
        return [
            audio.read(vocals / given(media[row.media].file), row.start, row.end) for row in due[1]
        ]

    due = audio.ahead(batches, read)
    for (language, batch), clips in progress(due, len(batches), "transcribe, batches"):
        for row, heard in zip(batch, model.transcribe(clips, language), strict=True):
            text = " ".join(heard.text.split())
            texts[row.id] = Transcript(id=row.id, text=text, language=language)
    write_rows(transcripts, [texts[row.id] for row in spoken])


if __name__ == "__main__":
    stage.run(transcribe, globals().get("snakemake"))

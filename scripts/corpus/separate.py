"""Separation: the vocals of every recording, without music and effects.

Paper, section 3.1 "Audio Cleaning and Segmentation" (it uses the Emilia framework, of which this is
the first step). All later steps work on the vocals.
"""

from pathlib import Path

from scripts import backends
from scripts.backends.separation import SeparationBackend
from scripts.common import audio as sound
from scripts.common.progress import progress
from scripts.rows.corpus import Recording
from scripts.rows.jsonl import given, read_rows, write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec


def separate(
    audio: Path, recordings: Path, vocals: Path, separated: Path, separation: ModelSpec
) -> None:
    """Write the vocals of each recording in the folder `audio` to the folder `vocals`.

    recordings: rows of `Recording`; separated: the same rows, `file` now names the vocals
    (mono 16 kHz FLAC). A dropped recording passes through unchanged. Vocals are scaled down only if
    they would clip.
    """
    vocals.mkdir(parents=True, exist_ok=True)
    rows = sorted(read_rows(recordings, Recording), key=lambda row: row.id)
    usable = [row for row in rows if row.dropped is None]
    model: SeparationBackend = backends.load_for(usable, separation)
    due = sound.ahead(usable, lambda row: sound.read(audio / given(row.file)))
    for row, mix in progress(due, len(usable), "separate"):
        voice = model.separate(mix, sound.RATE)
        row.file = f"{row.id}.flac"
        sound.write(vocals / row.file, sound.normalise(voice))
    write_rows(separated, rows)


if __name__ == "__main__":
    stage.run(separate, globals().get("snakemake"))

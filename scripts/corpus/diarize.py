"""Diarization: who speaks when, by numbered speakers that are local to their medium.

Paper, section 3.1: "groups the original audiovisual audio into segments corresponding to different
speakers"; `identify` finds out which character a number is.
"""

from pathlib import Path

from scripts import backends
from scripts.backends.diarization import DiarizationBackend, SpeakerTurn
from scripts.common import audio
from scripts.common.progress import progress
from scripts.rows.corpus import Recording, Turn
from scripts.rows.jsonl import given, read_rows, write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec


def diarize(vocals: Path, recordings: Path, turns: Path, diarization: ModelSpec) -> None:
    """Write the turns of every recording whose vocals lie in the folder `vocals`.

    recordings: rows of `Recording`; turns: rows of `Turn`, by medium and start. Speakers are
    called speaker_0, speaker_1 ... in order of first appearance. A dropped or silent
    recording has no turns.
    """
    rows = sorted(read_rows(recordings, Recording), key=lambda row: row.id)
    usable = [row for row in rows if row.dropped is None]
    model: DiarizationBackend = backends.load_for(usable, diarization)
    found: list[Turn] = []
    due = audio.ahead(usable, lambda row: audio.read(vocals / given(row.file)))
    for row, sound in progress(due, len(usable), "diarize"):
        found += to_rows(row, model.diarize(sound))
    write_rows(turns, found)


def to_rows(recording: Recording, turns: list[SpeakerTurn]) -> list[Turn]:
    """A backend's turns (see the contract) as rows that end with the recording.

    A turn that rounds to 0 ms gives no row.
    """
    names: dict[str, str] = {}
    rows = []
    for turn in sorted(turns):
        row = Turn(
            media=recording.id,
            speaker=names.setdefault(turn.speaker, f"speaker_{len(names)}"),
            start=max(0.0, turn.start),
            end=min(turn.end, recording.duration),
            overlap=turn.overlap,
        )
        if row.start < row.end:
            rows.append(row)
    return rows


if __name__ == "__main__":
    stage.run(diarize, globals().get("snakemake"))

"""Takes recorded sides of a system into a run, so that they are scored like a system's.

They lie as those have them who run a benchmark's own scripts: a copy of the collection's folder for
each system, with output.wav, and perhaps its words in output.json, in the folder of each item.
"""

from pathlib import Path

from scripts.backends.duplex import FRAME
from scripts.common import audio as sounds
from scripts.common.errors import UserError
from scripts.duplex.converse import refused
from scripts.duplex.found import Found, Unusable, first_channel
from scripts.duplex.layouts import read, recorded
from scripts.rows.duplex import Conversation, DuplexItem, TimedWord
from scripts.rows.jsonl import content_id, read_rows, write_rows
from scripts.workflow import stage


def import_conversations(
    item_rows: Path,
    conversations: Path,
    audio: Path,
    name: str,
    folder: str,
    layout: str | None = None,
    task: str | None = None,
) -> None:
    """Write a Conversation row for each DuplexItem row, with the side recorded for it in `folder`.

    `layout` and `task` are the collection's (scripts/duplex/layouts.py); without a layout, the
    collection is one of this project, and its items lie in `folder` as beside the rows. Sound keeps
    its rate and length. What cannot be used has the reason in `dropped`. Raises UserError where no
    side can be used.
    """
    rows = sorted(read_rows(item_rows, DuplexItem), key=lambda row: row.id)
    place = Path(folder)
    if layout:
        key = f"duplex.recorded.{name}"
        known = {one.id: one for one in read(place, layout, task, key)}
    else:
        known = {row.id: beside(row, place) for row in rows}
    audio.mkdir(parents=True, exist_ok=True)
    found = [conversation(row, known.get(row.id), name, folder, audio) for row in rows]
    usable = sum(row.dropped is None for row in found)
    if not usable:
        raise UserError(
            f"duplex.recorded.{name}: {folder} has a side for none of the {len(rows)} items; "
            f"{found[0].id}: {found[0].dropped}."
            if found
            else f"duplex.recorded.{name}: {item_rows} has no items."
        )
    print(f"{name}: {usable} of {len(rows)} items have a recorded side")
    write_rows(conversations, found)


def beside(row: DuplexItem, folder: Path) -> Found:
    """Where the side recorded for an item of this project's own collections would be."""
    home = folder / Path(row.audio).parent
    return Found(
        id=row.id,
        task=row.task,
        scenario=row.scenario,
        sound=folder / row.audio,
        answer=home / "output.wav",
        answer_words=home / "output.json",
    )


def conversation(
    row: DuplexItem, found: Found | None, name: str, folder: str, audio: Path
) -> Conversation:
    """Write the recorded side of an item; its row."""
    if row.dropped:
        return refused(row, name, f"there is no item: {row.dropped}")
    if found is None:
        return refused(row, name, f"{folder} has no item {row.id}")
    try:
        words: list[TimedWord] | None
        file, words = recorded(found)
        samples, rate, _ = first_channel(file)
        seconds = len(samples) / rate
        late = next((word for word in words or [] if word.start > seconds + FRAME), None)
        if late:
            raise Unusable(
                f"{found.answer_words}: '{late.word}' begins at {late.start:g} s of a side of "
                f"{seconds:.2f} s: the words may be another item's"
            )
    except (UserError, Unusable) as error:
        return refused(row, name, str(error))
    kept = f"{content_id(row.id)}.flac"
    sounds.write(audio / kept, sounds.normalise(samples, 1.0), rate)
    return Conversation(
        id=row.id,
        collection=row.collection,
        system=name,
        audio=kept,
        sample_rate=rate,
        seconds=seconds,
        words=words,
    )


if __name__ == "__main__":
    stage.run(import_conversations, globals().get("snakemake"))

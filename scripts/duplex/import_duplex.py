"""Takes over somebody else's set of conversations of which the user's side is known.

Of sound with several channels the first is used, as PersonaPlex's own offline program does; the
row's `note` says so. Sound keeps its rate, and is written as 16-bit FLAC.
"""

from collections import Counter
from pathlib import Path

from scripts.backends.duplex import FRAME
from scripts.common import audio as sounds
from scripts.common.errors import UserError
from scripts.duplex.found import Found, Unusable, first_channel
from scripts.duplex.layouts import read
from scripts.duplex.material import read_role_prompts
from scripts.rows.duplex import DuplexItem
from scripts.rows.jsonl import content_id, write_rows
from scripts.workflow import stage

BEYOND = FRAME  # seconds by which an annotation may reach beyond the end of the sound


def import_duplex(
    role_prompts: Path,
    item_rows: Path,
    audio: Path,
    name: str,
    folder: str,
    layout: str,
    task: str | None = None,
    voice: str | None = None,
    voice_text: str = "",
) -> None:
    """Write a DuplexItem row for each item in `folder`, and its sound into `audio`.

    `name` is the collection's in the config, `layout` one of scripts/duplex/layouts.py; `task`, in
    the layout's words, is needed where the names of folders do not tell it. `role_prompts` is as
    config/duplex/role_prompts.yaml; `voice`, a file in which `voice_text` is said, is the sample
    that systems get. An item that cannot be used has the reason in `dropped`. Raises UserError for
    a folder or file that is not there, or of another layout, and where no item can be used.
    """
    key = f"collection '{name}'"
    prompts = read_role_prompts(role_prompts)
    found = sorted(read(Path(folder), layout, task, key), key=lambda one: one.id)
    twice = [ident for ident, count in Counter(one.id for one in found).items() if count > 1]
    if twice:
        raise UserError(f"{key}: {folder} holds two items called {twice[0]}; rename one of them.")
    audio.mkdir(parents=True, exist_ok=True)
    sample = _sample(Path(voice), audio, key) if voice else None
    rows = [_row(one, name, prompts[one.task], sample, voice_text, audio) for one in found]
    if all(row.dropped for row in rows):
        raise UserError(
            f"{key}: none of the {len(rows)} items in {folder} can be used; {rows[0].id}: "
            f"{str(rows[0].dropped).rstrip('.')}."
        )
    print(f"{name}: {len(rows)} items, {sum(bool(row.dropped) for row in rows)} of them dropped")
    write_rows(item_rows, rows)


def _row(
    one: Found, name: str, prompt: str, voice: str | None, voice_text: str, folder: Path
) -> DuplexItem:
    """Write the sound of an item; its row."""
    row = DuplexItem(
        id=one.id,
        collection=name,
        task=one.task,
        scenario=one.scenario,
        language=one.language,
        audio=f"{content_id(one.id)}.flac",
        seconds=0.0,
        role_prompt=prompt,
        voice=voice,
        voice_text=voice_text if voice else "",
        events=one.events,
        clean=one.clean,
        dropped=one.fault,
    )
    if one.fault:
        return row
    try:
        samples, rate, channels = first_channel(one.sound)
        row.seconds = round(len(samples) / rate, 3)
        _inside(row)
    except Unusable as error:
        row.dropped = str(error)
        return row
    notes = [f"the first of {channels} channels"] if channels > 1 else []
    peak = float(abs(samples).max())
    if peak > 1:
        notes.append(f"scaled down from a peak of {peak:.2f}")
    row.note = "; ".join(notes)
    sounds.write(folder / row.audio, sounds.normalise(samples, 1.0), rate)
    return row


def _inside(row: DuplexItem) -> None:
    """Raise Unusable for an event that is not inside the sound."""
    for event in row.events:
        if event.end > row.seconds + BEYOND:
            raise Unusable(
                f"{event.kind} from {event.start:g} to {event.end:g} s is beyond the sound, which "
                f"is {row.seconds:g} s long: the annotation may be another item's"
            )


def _sample(path: Path, folder: Path, key: str) -> str:
    """Write the sample of the system's voice; its name."""
    try:
        samples, rate, _ = first_channel(path)
    except Unusable as error:
        raise UserError(f"{key}: voice: {error}.") from error
    sounds.write(folder / "voice.flac", sounds.normalise(samples, 1.0), rate)
    return "voice.flac"


if __name__ == "__main__":
    stage.run(import_duplex, globals().get("snakemake"))

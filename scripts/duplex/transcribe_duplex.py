"""Finds when a full-duplex system talks, and its words by each recogniser.

A measure of turn taking depends on what it is measured with, so each recogniser's words are kept,
and what scores them loads none of these models again. Recognisers get only what voice activity
found (scripts/duplex/hear.py).
"""

from collections.abc import Iterable
from pathlib import Path

from scripts import backends
from scripts.backends.asr import Word
from scripts.backends.vad import VadBackend
from scripts.common.progress import progress
from scripts.duplex.hear import SideSound, recognise, side_of
from scripts.duplex.measuring import labelled
from scripts.duplex.spans import Gap, Span, marks
from scripts.rows.duplex import Conversation, DuplexItem, SideTranscript, TimedWord
from scripts.rows.jsonl import read_rows, write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

BATCH = 16  # conversations in memory at a time
OWN_TEXT = "own text"  # the label of words that a system gave itself


def transcribe_duplex(
    item_rows: Path,
    user_audio: Path,
    conversations: Path,
    audio: Path,
    transcripts: Path,
    system: str,
    asr: list[ModelSpec],
    vad: ModelSpec,
) -> None:
    """Write a SideTranscript row for each DuplexItem row that was not dropped.

    `audio` and `user_audio` are the folders beside the Conversation and the DuplexItem rows. The
    user's activity is only found where no words of the user are marked. A side that cannot be used
    is dropped with the reason and stops no other. Raises UserError for a recogniser without times
    of words, and for two models of one label.
    """
    rows = [row for row in read_rows(item_rows, DuplexItem) if row.dropped is None]
    sides = {row.id: row for row in read_rows(conversations, Conversation)}
    labels = labelled(asr)
    if rows:
        detector: VadBackend = backends.load(vad)
        recognisers = {by: backends.load(spec) for by, spec in labels.items()}
    found: list[SideTranscript] = []
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    for batch in progress(batches, len(batches), "transcribe_duplex, batches"):
        heard: dict[str, SideSound | str] = {}
        for row in batch:
            try:
                heard[row.id] = heard_side(row, sides.get(row.id), audio, detector)
            except Gap as why:
                heard[row.id] = str(why)
        good = [(s, row.language) for row in batch if isinstance(s := heard[row.id], SideSound)]
        recognise([own for own, _ in good], [language for _, language in good], recognisers)
        for row in batch:
            user = users_activity(row, user_audio, detector)
            found.append(transcript(row, system, sides.get(row.id), heard[row.id], user, labels))
    write_rows(transcripts, found)


def heard_side(
    item: DuplexItem, side: Conversation | None, folder: Path, detector: VadBackend
) -> SideSound:
    """The system's side of an item, with its activity. Raises Gap if there is none."""
    if side is None or side.audio is None or side.dropped:
        raise Gap(f"no conversation: {side.dropped if side else 'the system was not asked'}")
    return side_of(folder / side.audio, detector, unresampled=item.task == "backchannel")


def users_activity(item: DuplexItem, folder: Path, detector: VadBackend) -> list[Span] | str | None:
    """When the user talks, or why that is not known; None where it is marked."""
    if marks(item.events, "user"):
        return None
    try:
        return side_of(folder / item.audio, detector).activity
    except Gap as why:
        return str(why)


def transcript(
    item: DuplexItem,
    system: str,
    side: Conversation | None,
    heard: SideSound | str,
    user: list[Span] | str | None,
    recognisers: Iterable[str],
) -> SideTranscript:
    """The row of a side, or of one that cannot be used. Words that the system gave join those of
    the recognisers (of a text stream, or of a transcript that was recorded with the sound)."""
    row = SideTranscript(
        id=item.id, collection=item.collection, system=system, audio=None, user=user, words={}
    )
    if isinstance(heard, str):
        return row.model_copy(update={"words": dict.fromkeys(recognisers, heard), "dropped": heard})
    row.words = {by: timed(said) for by, said in heard.words.items()}
    if side is not None and side.words is not None:
        row.words[OWN_TEXT] = side.words
    row.audio = side.audio if side else None
    row.seconds, row.activity, row.unresampled = heard.seconds, heard.activity, heard.unresampled
    return row


def timed(words: list[Word] | str) -> list[TimedWord] | str:
    """Words as rows have them; a reason as it is."""
    if isinstance(words, str):
        return words
    return [TimedWord(word=own.word, start=own.start, end=own.end) for own in words]


if __name__ == "__main__":
    stage.run(transcribe_duplex, globals().get("snakemake"))

"""Lets a full-duplex system take its side in conversations of which the user's side is known."""

import math
from collections.abc import Sequence
from numbers import Real
from pathlib import Path

import numpy as np

from scripts import backends
from scripts.backends.asr import Word
from scripts.backends.duplex import FRAME, RATE, Call, DuplexBackend, Side
from scripts.common import audio as sounds
from scripts.common.errors import UserError
from scripts.rows.duplex import Conversation, DuplexItem, TimedWord
from scripts.rows.jsonl import content_id, read_rows, write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

VOICE_MODES = ("cloned", "matched", "own")
NOTHING = "the system gave no audio"


def converse(
    item_rows: Path,
    user_audio: Path,
    conversations: Path,
    audio: Path,
    name: str,
    duplex: ModelSpec,
    seed: int,
) -> None:
    """Write a Conversation row for each DuplexItem row, and the system's side as FLAC into `audio`.

    `user_audio` holds the files that the items name. Each call has a seed of its own, made from
    `seed` and the item. A side that is longer or shorter than the user's by more than a frame is
    cut or filled with silence, and `resized` says by how much; one that breaks the contract
    (scripts/backends/duplex/__init__.py) is dropped with the reason. `name` is the system's in the
    config. Raises UserError for a backend that breaks it as a whole.
    """
    rows = sorted(read_rows(item_rows, DuplexItem), key=lambda row: row.id)
    found = {
        row.id: refused(row, name, f"there is no item: {row.dropped}")
        for row in rows
        if row.dropped
    }
    calls: dict[str, Call] = {}
    for row in rows:
        if row.id in found:
            continue
        try:
            calls[row.id] = call_of(row, user_audio, seed)
        except UserError as error:
            found[row.id] = refused(row, name, str(error))
    audio.mkdir(parents=True, exist_ok=True)
    if calls:
        backend: DuplexBackend = backends.load(duplex)
        check_backend(backend, name)
        sides = dict(zip(calls, sides_of(backend, list(calls.values()), name), strict=True))
        for row in rows:
            if row.id in sides:
                call, side = calls[row.id], sides[row.id]
                found[row.id] = save(row, name, call, side, backend, audio)
    write_rows(conversations, [found[row.id] for row in rows])


def check_backend(backend: DuplexBackend, name: str) -> None:
    """Raises UserError for a backend without the properties of the contract."""
    rate, mode = getattr(backend, "rate", None), getattr(backend, "voice_mode", None)
    if isinstance(rate, bool) or not isinstance(rate, int) or rate <= 0:
        raise UserError(
            f"{name}: `rate` of its backend is {rate!r}; it must be a whole number, Hz."
        )
    if mode not in VOICE_MODES:
        raise UserError(
            f"{name}: `voice_mode` of its backend is {mode!r}; it must be one of "
            f"{', '.join(VOICE_MODES)}."
        )


def sides_of(backend: DuplexBackend, calls: list[Call], name: str) -> list[Side]:
    """A side of each call. Raises UserError for another number of sides."""
    try:
        sides = backend.converse(calls)
    except UserError:
        raise
    except Exception as error:
        error.add_note(
            f"{name}: its backend raised this, so that the job has no result. Where one call "
            "fails, a Side with a `reason` lets the others go on."
        )
        raise
    if not isinstance(sides, list | tuple) or len(sides) != len(calls):
        some = isinstance(sides, list | tuple)
        count = f"{len(sides)} sides" if some else type(sides).__name__
        raise UserError(
            f"{name}: `converse` of its backend returned {count} for {len(calls)} calls; it must "
            "return a list of one Side a call, in their order."
        )
    return list(sides)


def call_of(row: DuplexItem, folder: Path, seed: int) -> Call:
    """The call of an item. Raises UserError where a file cannot be used."""
    user = sounds.read(folder / row.audio, rate=RATE)
    if not np.isfinite(user).all():
        raise UserError(f"{folder / row.audio} holds values that are no numbers")
    voice = sounds.read(folder / row.voice, rate=RATE) if row.voice else user[:0]
    own = int(content_id("seed", str(seed), row.collection, row.id), 16) % 2**31
    return Call(user, row.role_prompt, voice, row.voice_text, row.language, own)


def refused(row: DuplexItem, system: str, reason: str) -> Conversation:
    """The row of an item that has no conversation."""
    return Conversation(
        id=row.id,
        collection=row.collection,
        system=system,
        audio=None,
        sample_rate=0,
        seconds=0.0,
        words=None,
        dropped=reason,
    )


def save(
    row: DuplexItem, system: str, call: Call, side: Side, backend: DuplexBackend, folder: Path
) -> Conversation:
    """Write the system's side; its row."""
    rate = backend.rate
    reason = why_unusable(side, rate)
    if reason or side.audio is None:
        told = {"asked": side.asked, "version": side.version} if isinstance(side, Side) else {}
        return refused(row, system, reason or NOTHING).model_copy(update=told)
    wanted = round(len(call.user) * rate / RATE)
    missing = wanted - len(side.audio)
    samples = side.audio[:wanted] if missing < 0 else np.pad(side.audio, (0, missing))
    peak = float(np.abs(samples).max())
    if peak > 1:
        print(f"{system}: {row.id} is scaled down from a peak of {peak:.2f}; it must be at most 1")
    file = f"{content_id(row.id)}.flac"
    sounds.write(folder / file, sounds.normalise(samples, 1.0), rate)
    return Conversation(
        id=row.id,
        collection=row.collection,
        system=system,
        audio=file,
        sample_rate=rate,
        seconds=wanted / rate,
        words=None if side.words is None else kept(side.words, wanted / rate),
        resized=0.0 if abs(missing) <= FRAME * rate else missing / rate,
        compute=float(side.compute),
        seed=call.seed,
        voice_mode=backend.voice_mode,
        asked=side.asked,
        version=side.version,
    )


def kept(words: Sequence[Word], seconds: float) -> list[TimedWord]:
    """The words in order, but those after the end of a side that was cut to `seconds`."""
    inside = sorted(
        (float(word.start), float(word.end), word.word) for word in words if word.start < seconds
    )
    return [TimedWord(word=word, start=start, end=min(end, seconds)) for start, end, word in inside]


def why_unusable(side: Side, rate: int) -> str | None:
    """Why a side cannot be scored, or None. One in which an answer failed would be taken for that
    of a system that chose to be silent."""
    if not isinstance(side, Side):
        return f"the system gave {type(side).__name__} instead of a Side"
    if side.reason:
        return side.reason
    audio = side.audio
    if audio is None:
        return NOTHING
    if not isinstance(audio, np.ndarray) or not np.issubdtype(audio.dtype, np.floating):
        kind = audio.dtype if isinstance(audio, np.ndarray) else type(audio).__name__
        return f"the system's audio is {kind}; it must be an array of float32 from -1 to 1"
    if audio.ndim != 1:
        return f"the system's audio has the shape {audio.shape}; it must be one channel"
    if not len(audio):
        return "the system's audio is empty"
    if not np.isfinite(audio).all():
        return "the system's audio holds values that are no numbers"
    if not isinstance(side.compute, Real) or not 0 <= side.compute < math.inf:
        return f"the system's `compute` is {side.compute!r}; it must be seconds"
    return next(filter(None, (fault(w, len(audio) / rate) for w in side.words or [])), None)


def fault(word: Word, seconds: float) -> str | None:
    """What is wrong with a word of a side that is so long, or None."""
    if not isinstance(word, Word):
        return f"the system gave {word!r} instead of a Word"
    if not 0 <= word.start <= word.end <= seconds + FRAME:  # NaN compares as false
        return f"'{word.word}' is from {word.start} to {word.end} s of a side of {seconds:.2f} s"
    return None


if __name__ == "__main__":
    stage.run(converse, globals().get("snakemake"))

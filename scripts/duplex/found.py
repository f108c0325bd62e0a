"""What readers of layouts find: items in other people's folders, before their sound is read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.common.json_file import read_json
from scripts.duplex.pieces import edges
from scripts.rows.duplex import Event, Task, TimedWord
from scripts.rows.jsonl import Language

JOINED = 0.3  # seconds: words with a shorter gap are one stretch of speech
DEPTH = 3  # levels of folders in which the folders of tasks are looked for

Places = list[tuple[str, Task, Path]]  # the name of a folder of items, its task, the folder


class Unusable(ValueError):
    """Why one item cannot be used."""


@dataclass
class Found:
    """An item of another's folder: where its sound is, what is known about it, and where the
    recorded answer of a system would be."""

    id: str
    task: Task
    scenario: str
    sound: Path
    answer: Path
    answer_words: Path
    language: Language = "English"
    events: list[Event] = field(default_factory=list)
    clean: str | None = None  # the id of the same item without what overlaps
    fault: str | None = None


def places(folder: Path, names: Mapping[str, Task], others: Iterable[str], key: str) -> Places:
    """The folders below `folder` (or itself) that are named after tasks. A name may have something
    in front; of names that fit, the longest counts, and those of `others` are passed over.

    Raises UserError, which begins with `key`, where there is no folder, or none with such a name.
    """
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise UserError(f"{key}: {folder} {what}; give the folder that holds the items.")
    known = sorted({*names, *others}, key=len, reverse=True)

    def called(path: Path) -> str | None:
        plain = re.sub(r"[\W_]+", "_", path.name.casefold())
        return next((name for name in known if plain == name or plain.endswith(f"_{name}")), None)

    inside = list(_below(folder, DEPTH))
    matched = [path for path in inside if called(path) in names]
    if matched:
        tops = [path for path in matched if not any(other in path.parents for other in matched)]
        return [
            ("-".join(path.relative_to(folder).parts), names[str(called(path))], path)
            for path in tops
        ]
    if called(folder) in names:
        return [(folder.name, names[str(called(folder))], folder)]
    raise UserError(
        f"{key}: no folder in {folder} is named after a task ({', '.join(sorted(names))}); give "
        "another folder, or say by `task` of which task its items are."
    )


def place_of(folder: Path, names: Mapping[str, Task], task: str, key: str) -> Places:
    """`folder` itself, with items of the task that is called `task`. Raises UserError."""
    if not folder.is_dir():
        raise UserError(f"{key}: {folder} is no folder; give the folder that holds the items.")
    if task not in names:
        raise UserError(f"{key}: there is no task '{task}' in this layout{nearest(task, names)}")
    return [(folder.name, names[task], folder)]


def first_channel(path: Path) -> tuple[np.ndarray, int, int]:
    """The first channel of a file, (n,) float32 at its rate; the rate; how many channels it has.

    Raises Unusable for what is no sound, has no sample, or values that are no numbers.
    """
    if not path.is_file():
        raise Unusable(f"{path} is missing")
    try:
        # By its name, libsndfile would take a Mac's ._NAME beside it for a part of it.
        with path.open("rb") as file:
            samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        why = getattr(error, "error_string", error)
        raise Unusable(f"{path} does not open as audio ({why})") from error
    if not len(samples):
        raise Unusable(f"{path} is audio without a sample")
    odd = np.flatnonzero(~np.isfinite(samples[:, 0]))
    if len(odd):
        raise Unusable(f"{path} holds values that are no numbers, first at {odd[0] / rate:.3f} s")
    return samples[:, 0], rate, samples.shape[1]


def speech_in(path: Path) -> tuple[float, float] | None:
    """When the speech in a file begins and ends, in seconds, by its level; None if it is silent.
    Raises Unusable as `first_channel`."""
    samples, rate, _ = first_channel(path)
    found = edges(samples, rate)
    return None if found is None else (found[0] / rate, found[1] / rate)


def seconds_of(value: Any, where: str) -> tuple[float, float]:
    """[start, end], in seconds. Raises Unusable for anything else."""
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(map(_number, value)):
        raise Unusable(f"{where}: [start, end] in seconds is expected, not {str(value)[:40]}")
    start, end = map(float, value)
    if not 0 <= start <= end:
        raise Unusable(f"{where}: {start:g} to {end:g} s is no time")
    return start, end


def chunks_of(path: Path, strict: bool = False) -> list[TimedWord]:
    """The words of a transcript, in order: {"chunks": [{"text", "timestamp"}]}, or that list alone,
    or lists of it below `item`. A word without a time is left out, unless `strict`: then it raises
    Unusable, as other forms always do. Raises UserError for a file that is no JSON."""
    document = read_json(path)
    if isinstance(document, dict):
        document = document.get("chunks")
    if not isinstance(document, list):
        raise Unusable(f'{path} has no list of "chunks"')
    words = []
    for entry in document:
        inside = entry.get("item", [entry]) if isinstance(entry, dict) else [entry]
        if not isinstance(inside, list):
            raise Unusable(f"{path}: an `item` holds {str(inside)[:40]!r}, not a list of words")
        for word in inside:
            if not isinstance(word, dict) or not isinstance(word.get("text"), str):
                raise Unusable(f"{path}: a word has no text")
            times = word.get("timestamp")
            if isinstance(times, list) and None in times and not strict:
                continue
            start, end = seconds_of(times, f"{path}: '{word['text'].strip()}'")
            words.append(TimedWord(word=word["text"].strip(), start=start, end=end))
    return sorted(words, key=lambda word: (word.start, word.end))


def spans(words: list[TimedWord]) -> list[Event]:
    """The stretches in which words follow one another, as events of the user."""
    found: list[Event] = []
    for word in words:
        if found and word.start - found[-1].end < JOINED:
            found[-1].end = max(found[-1].end, word.end)
            found[-1].text += f" {word.word}"
        else:
            found.append(Event(kind="user", start=word.start, end=word.end, text=word.word))
    return found


def object_in(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises UserError for no JSON, Unusable for something else."""
    document = read_json(path)
    if not isinstance(document, dict):
        raise Unusable(f"{path}: an object is expected, not {str(document)[:40]!r}")
    return document


def visible(folder: Path) -> list[Path]:
    """What is in a folder, but hidden files, such as the ._* of an archive made on a Mac."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX")))


def _below(folder: Path, depth: int) -> Iterator[Path]:
    for path in visible(folder):
        if path.is_dir():
            yield path
            if depth > 1:
                yield from _below(path, depth - 1)


def _number(value: Any) -> bool:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return real and math.isfinite(value)

"""The layout of Full-Duplex-Bench 1.0 and 1.5: a folder for each task, in it one for each item.

    {task}/{ID}/input.wav            the user's side; output.wav: a system's, as long
    {task}/{ID}/output.json          what the system says: {"text", "chunks": [{"text": word,
                                     "timestamp": [start, end]}]}
    pause_handling/{ID}/pause.json          [{"text": "[PAUSE]", "timestamp": [start, end]}, ...]
    smooth_turn_taking/{ID}/turn_taking.json   likewise, "[TURN-TAKING]", from where the turn ends
    user_interruption/{ID}/interrupt.json   [{"context", "interrupt", "timestamp"}]
    backchannel/{ID}/                       no annotation
    any/{ID}/transcription.json      the user's words (optional); context.wav: the question alone

In 1.5 each item has metadata.json instead, with context_text, timestamps: [start, end] of what
overlaps, and its text; clean_input.wav is the same side without it (clean_output.wav and .json: the
system's answer to that), which also tells when the question is, without context.wav. The names of
folders may have the source in front, as in candor_pause_handling. Written from the benchmark's
descriptions of its data; times are seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from scripts.common.errors import UserError
from scripts.common.json_file import read_json
from scripts.duplex.found import (
    Found,
    Places,
    Unusable,
    chunks_of,
    object_in,
    seconds_of,
    spans,
    speech_in,
    visible,
)
from scripts.rows.duplex import DuplexItem, Event, EventKind, Task

INPUT, CLEAN, CONTEXT = "input.wav", "clean_input.wav", "context.wav"
WORDS = "transcription.json"
CONTEXT_TEXT = "context_text"
TASKS: dict[Task, str] = {
    "pause": "pause_handling",
    "turn": "smooth_turn_taking",
    "backchannel": "backchannel",
    "interruption": "user_interruption",
    "user_backchannel": "user_backchannel",
    "bystander": "talking_to_other",
    "noise": "background_speech",
}
NAMES: dict[str, dict[str, Task]] = {  # of folders, by layout; the ends of them suffice
    "fdb-1.0": {
        "pause_handling": "pause",
        "smooth_turn_taking": "turn",
        "turn_taking": "turn",
        "user_interruption": "interruption",
        "backchannel": "backchannel",
    },
    "fdb-1.5": {
        "user_interruption": "interruption",
        "user_backchannel": "user_backchannel",
        "talking_to_other": "bystander",
        "background_speech": "noise",
    },
}
OVERLAP: dict[Task, tuple[str, EventKind]] = {  # where its text is, what it is
    "interruption": ("current_turn_text", "interruption"),
    "user_backchannel": ("backchannel_text", "backchannel"),
    "bystander": ("current_turn_text", "bystander"),
    "noise": ("background_text", "noise"),
}


def documents(item: DuplexItem) -> dict[str, Any]:
    """The JSON documents of an item in this layout, by name."""
    said = [event for event in item.events if event.text and event.kind != "noise"]
    files: dict[str, Any] = {
        WORDS: {
            "text": " ".join(event.text for event in said),
            "chunks": [{"text": e.text, "timestamp": [e.start, e.end]} for e in said],
        }
    }
    if item.task == "pause":
        files["pause.json"] = _labelled(item, "pause", "[PAUSE]")
    elif item.task == "turn":
        files["turn_taking.json"] = _labelled(item, "turn_end", "[TURN-TAKING]")
    elif item.task in OVERLAP:
        key, kind = OVERLAP[item.task]
        (event,) = [event for event in item.events if event.kind == kind]
        context = next(event.text for event in item.events if event.kind == "user")
        times = [event.start, event.end]
        files["metadata.json"] = {CONTEXT_TEXT: context, key: event.text, "timestamps": times}
        if item.task == "interruption":
            one = {"context": context, "interrupt": event.text, "timestamp": times}
            files["interrupt.json"] = [one]
    return files


def found(places: Places, layout: str) -> Iterator[Found]:
    """The items of the folders of tasks, in the order of their names."""
    for subset, task, folder in places:
        for place in filter(Path.is_dir, visible(folder)):
            one = Found(
                id=f"{subset}-{place.name}",
                task=task,
                scenario=f"{subset}-{place.name}",
                sound=place / INPUT,
                answer=place / "output.wav",
                answer_words=place / "output.json",
            )
            clean = None
            if layout == "fdb-1.5":
                clean = Found(
                    id=f"{one.id}-clean",
                    task=task,
                    scenario=one.scenario,
                    sound=place / CLEAN,
                    answer=place / "clean_output.wav",
                    answer_words=place / "clean_output.json",
                )
            try:
                if clean is None:
                    _annotated(one, place)
                else:
                    _overlapped(one, clean, place)
            except (UserError, Unusable) as error:
                one.fault = str(error)
            if clean is not None and clean.sound.is_file():
                one.clean = clean.id
                yield clean
            yield one


def _overlapped(one: Found, clean: Found, place: Path) -> None:
    """Add the events of an item of 1.5. Raises Unusable or UserError for what cannot be
    understood."""
    clean.events = _question(place)
    if not clean.events:
        with suppress(Unusable):  # the clean item is then dropped, with that reason
            clean.events = _question(place, file=CLEAN)
    path = place / "metadata.json"
    meta, (key, kind) = object_in(path), OVERLAP[one.task]
    start, end = seconds_of(meta.get("timestamps"), f"{path}: timestamps")
    for event in clean.events:
        if event.kind == "user":
            event.text = _text(meta, CONTEXT_TEXT)
    others = [name for name in meta if name.endswith("_text") and name != CONTEXT_TEXT]
    text = _text(meta, key, *others)
    one.events = [*clean.events, Event(kind=kind, start=start, end=end, text=text)]


def _annotated(one: Found, place: Path) -> None:
    """Add the events of an item of 1.0. Raises as `_overlapped`."""
    if one.task == "pause":
        times = sorted(_times(place / "pause.json"), key=lambda time: time[:2])
        one.events = [Event(kind="pause", start=start, end=end) for start, end, _ in times]
    elif one.task == "turn":
        start, _, _ = _times(place / "turn_taking.json")[0]  # the first is what is scored
        one.events = [Event(kind="turn_end", start=start, end=start)]
    elif one.task == "interruption":
        start, end, entry = _times(place / "interrupt.json")[0]
        text = _text(entry, "interrupt")
        event = Event(kind="interruption", start=start, end=end, text=text)
        one.events = [*_question(place, _text(entry, "context")), event]
    if (place / WORDS).is_file() and one.task != "interruption":
        one.events = sorted(
            [*spans(chunks_of(place / WORDS)), *one.events], key=lambda event: event.start
        )


def _labelled(item: DuplexItem, kind: EventKind, label: str) -> list[dict[str, Any]]:
    return [
        {"text": label, "timestamp": [event.start, event.end]}
        for event in item.events
        if event.kind == kind
    ]


def _question(place: Path, text: str = "", file: str = CONTEXT) -> list[Event]:
    """The question before what overlaps, where its sound is there on its own."""
    path = place / file
    found = speech_in(path) if path.is_file() else None
    if found is None:
        return []
    start, end = found
    return [
        Event(kind="user", start=start, end=end, text=text),
        Event(kind="turn_end", start=end, end=end),
    ]


def _times(path: Path) -> list[tuple[float, float, dict[str, Any]]]:
    """The entries of an annotation, with their times."""
    document = read_json(path)
    entries = document if isinstance(document, list) else [document]
    if not entries:
        raise Unusable(f"{path} is an empty list")
    read = []
    for entry in entries:
        if not isinstance(entry, dict):
            raise Unusable(f"{path}: an object is expected, not {str(entry)[:40]!r}")
        start, end = seconds_of(entry.get("timestamp"), f"{path}: timestamp")
        read.append((start, end, entry))
    return read


def _text(document: dict[str, Any], *keys: str) -> str:
    """The first text that is there under one of the keys; empty if none is."""
    found = [document[key] for key in keys if isinstance(document.get(key), str)]
    return found[0] if found else ""

"""The layout of HumDial-FDBench: a folder for each category, in it the files of all its items.

    {en,cn}_test_nondev/{category}/{id}.wav       the user's side
    .../{id}.json or {id}_sentence.json           {"speech_segments": [{"xmin", "xmax", "text"}]}
    .../{id}_timestamp.json                       {"chunks": [{"text", "timestamp"}]}: words
    .../clean_{id}.wav, clean_{id}.json           the same without what overlaps, for most
    .../{id}_output.wav, {id}_output.json         a system's answer; clean_{id}_output.* likewise

An id is {speaker}_{item}; items of a speaker are one scenario. Which segment is what follows from
the category:

    ask, deny, repeat, shift, wait    a question, then words that interrupt ("wait": to be silent)
    backchannel                       a question, then "mm-hm"
    talk_to_others                    two questions, then words to somebody else
    others_talk_to_user_after         a question, then somebody else's words; _before: these first
    pause                             a question with a pause, at the widest gap between its words

Read for this on 2026-11-30: README and evaluation programs of github.com/ASLP-lab/HumDial-FDBench
(names of files, segments, `_sentence`; its development set calls ask Follow-up_Questions), the
readmes of ASLP-lab/Hum-Dial, and for the released test set, of which only descriptions were seen,
the docstring of the loader in github.com/williamLyh/InteractionGym. The challenge's own package
(test-{id}.wav, clean-{id}.wav) has neither annotations nor pairs, and cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.common.errors import UserError
from scripts.duplex.found import (
    Found,
    Places,
    Unusable,
    chunks_of,
    object_in,
    seconds_of,
    visible,
)
from scripts.rows.duplex import Event, EventKind, Task, TimedWord
from scripts.rows.jsonl import Language

NAMES: dict[str, Task] = {
    "ask": "interruption",
    "follow_up_questions": "interruption",
    "deny": "interruption",
    "repeat": "interruption",
    "shift": "interruption",
    "wait": "interruption",
    "backchannel": "user_backchannel",
    "pause": "pause",
    "pause_handling": "pause",
    "talk_to_others": "bystander",
    "others_talk_to_user_after": "bystander",
    "others_talk_to_user_before": "bystander",
}
ROLES: dict[str, tuple[EventKind, ...]] = {  # of the segments; by category where tasks differ
    "interruption": ("user", "interruption"),
    "user_backchannel": ("user", "backchannel"),
    "pause": ("user",),
    "talk_to_others": ("user", "user", "bystander"),
    "others_talk_to_user_after": ("user", "bystander"),
    "others_talk_to_user_before": ("bystander", "user"),
}
BREAK = "[break]"  # where a text has its pause
SHORTEST = 0.1  # seconds of a pause
CHINESE = re.compile(r"[\u3400-\u9fff]")
ITEM = re.compile(r"(?!clean[_-])(?P<id>.+?)(?:_sentence|_timestamp)?\.(?:json|wav)")
ANSWER = re.compile(r".*_output\.\w+")


def found(places: Places, category: str | None) -> Iterator[Found]:
    """The items of the folders of categories, in the order of their names; `category` is what the
    only folder holds, where its name does not say so."""
    for subset, task, folder in places:
        own = category or _category(folder)
        files = [path.name for path in visible(folder) if path.is_file()]
        names = [ITEM.fullmatch(name) for name in files if not ANSWER.fullmatch(name)]
        for ident in sorted({match["id"] for match in names if match}):
            one, clean = _pair(subset, task, folder, ident)
            try:
                segments = _segments(folder, ident)
                words = _words(folder / f"{ident}_timestamp.json") if task == "pause" else []
                one.events = _events(segments, ROLES.get(own) or ROLES[task], words)
                clean.events = [e for e in one.events if e.kind in ("user", "turn_end")]
                one.language = clean.language = _language(segments)
                speaker = f"{one.language}-{ident.split('_')[0]}"
                one.scenario = clean.scenario = speaker
            except (UserError, Unusable) as error:
                one.fault = str(error)
            if clean.sound.is_file():
                one.clean, clean.fault = clean.id, one.fault
                yield clean
            yield one


def _pair(subset: str, task: Task, folder: Path, ident: str) -> tuple[Found, Found]:
    """An item and its clean one, without events."""
    name = f"{subset}-{ident}"
    pair = []
    for stem, key in ((ident, name), (f"clean_{ident}", f"{name}-clean")):
        answer = folder / f"{stem}_output.wav"
        pair.append(
            Found(key, task, name, folder / f"{stem}.wav", answer, answer.with_suffix(".json"))
        )
    return pair[0], pair[1]


def _segments(folder: Path, ident: str) -> list[tuple[float, float, str]]:
    """Start, end and text of what is said, in order."""
    path = folder / f"{ident}_sentence.json"
    if not path.is_file():
        path = folder / f"{ident}.json"
    if not path.is_file():
        raise Unusable(f"{path} is missing")
    document = object_in(path).get("speech_segments")
    if not isinstance(document, list) or not all(isinstance(one, dict) for one in document):
        raise Unusable(f'{path} has no list of "speech_segments"')
    read = []
    for one in document:
        times = seconds_of([one.get("xmin"), one.get("xmax")], f"{path}: xmin, xmax")
        read.append((*times, _text(one.get("text"))))
    return sorted(read)


def _events(
    segments: list[tuple[float, float, str]],
    roles: tuple[EventKind, ...],
    words: list[TimedWord],
) -> list[Event]:
    """What the segments are; further ones are as the last. Raises Unusable for too few."""
    if len(segments) < len(roles):
        raise Unusable(f"it has {len(segments)} of the {len(roles)} segments that its kind needs")
    roles += roles[-1:] * (len(segments) - len(roles))
    events: list[Event] = []
    for (start, end, text), role in zip(segments, roles, strict=True):
        if words:
            events += _paused(start, end, text, words)
        else:
            events.append(Event(kind=role, start=start, end=end, text=text))
        if role == "user":
            events.append(Event(kind="turn_end", start=end, end=end))
    return events


def _paused(start: float, end: float, text: str, words: list[TimedWord]) -> list[Event]:
    """A segment in two parts, with the pause at the widest gap between words in it."""
    inside = [word for word in words if start <= (word.start + word.end) / 2 <= end]
    gaps = [(b.start - a.end, a.end, b.start) for a, b in zip(inside, inside[1:], strict=False)]
    if not gaps or max(gaps)[0] < SHORTEST:
        raise Unusable(f"there is no gap between the words from {start:g} to {end:g} s")
    _, first, last = max(gaps)
    before, _, after = text.partition(BREAK)
    return [
        Event(kind="user", start=start, end=first, text=before.strip()),
        Event(kind="pause", start=first, end=last),
        Event(kind="user", start=last, end=end, text=after.strip()),
    ]


def _words(path: Path) -> list[TimedWord]:
    """Where the words are. Raises Unusable where that is not known."""
    if not path.is_file():
        raise Unusable(f"{path} is missing, and says where the pause is")
    words = chunks_of(path)
    if not words:
        raise Unusable(f"{path} has no word with a time, and says where the pause is")
    return words


def _category(folder: Path) -> str:
    plain = re.sub(r"[\W_]+", "_", folder.name.casefold())
    return max((name for name in NAMES if plain.endswith(name)), key=len)


def _language(segments: list[tuple[float, float, str]]) -> Language:
    return "Chinese" if any(CHINESE.search(text) for _, _, text in segments) else "English"


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""

"""Answers that a system gave elsewhere: the authors' outputs, or a flat table.

The authors' are {single,multi}_turn/{role}.json (or single, multi), with the turns of each dialogue
under `dialogue_0`, `dialogue_1` and so on; older ones have `dialogue`, or a list of such objects. A
turn has model_output: {text, audio_path}, and perhaps user_input: {text}. A table (.tsv or .csv, or
the only one of a folder) has the columns of config/schemas/released_replies.schema.yaml. Paths lead
to audio as scripts/benchmark/layout.py says.

Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scripts.benchmark.checks import listed
from scripts.benchmark.items import Speech, oddity
from scripts.benchmark.layout import Names, by_role, located, role_called, visible
from scripts.common.documents import check, columns
from scripts.common.errors import UserError
from scripts.common.json_file import read_json
from scripts.common.tables import clean, text_of
from scripts.common.tables import located as located_rows
from scripts.rows.jsonl import Mode, fault_of

TABLES = (".tsv", ".csv")
SCHEMA = "released_replies"
ALIKE = 0.5  # share of letters that a recorded question has in common with the dialogue's
DIALOGUE = re.compile(r"dialogue_(\d{1,6})")
SHAPE = 'expected is "dialogue_0": [{"turn", "user_input", "model_output": {"text", "audio_path"}}]'


class _Said(BaseModel):
    model_config = ConfigDict(extra="allow")
    text: str | None = None
    audio_path: str | None = None


class _Turn(BaseModel):
    model_config = ConfigDict(extra="allow", protected_namespaces=())
    turn: int | None = None
    user_input: _Said = Field(default_factory=_Said)
    output: _Said | None = Field(alias="model_output")


@dataclass(frozen=True)
class Recorded:
    """A recorded answer; no `speech`: the system gave none."""

    where: str
    question: str | None  # the user's words, where they are recorded
    text: str | None
    speech: Speech | None


Item = tuple[str, Mode, int]  # role, mode, number of the test dialogue
Answers = dict[Item, dict[int, Recorded]]  # by item, then by turn from 1


def read_answers(place: Path, name: str, names: Names) -> Answers:
    """The recorded answers of the system `name`. Raises UserError for a folder or table of another
    shape, an unknown role, an answer that is there twice, and a path that leads to no file."""
    key = f"released_replies.{name}"
    table = _table(place, key)
    answers: Answers = {}
    for item, turn, answer in (
        _of_table(table, key, names) if table else _of_folder(place, key, names)
    ):
        if turn in answers.setdefault(item, {}):
            before = answers[item][turn].where
            raise UserError(f"{answer.where}: this turn is in {before} already; keep one of them.")
        answers[item][turn] = answer
    if not answers:
        raise UserError(f"{key}: {place} holds no answer; {SHAPE}, or a table.")
    first = min(0 not in turns for turns in answers.values())  # turns may be counted from 0
    return {
        item: {turn + 1 - first: one for turn, one in turns.items()}
        for item, turns in answers.items()
    }


def sources(place: Path, name: str, names: Names) -> list[str]:
    """The files of recorded answers: their documents, and the audio that these name."""
    key = f"released_replies.{name}"
    table = _table(place, key)
    documents = [table] if table else by_role(place, key, names, modes=()).values()
    answers = [one for turns in read_answers(place, name, names).values() for one in turns.values()]
    sounds = [one.speech.file for one in answers if one.speech and one.speech.file]
    return [str(file) for file in (*documents, *sounds)]


def fault_of_answers(turns: Mapping[int, Recorded], questions: list[str]) -> str | None:
    """Why recorded answers do not answer all of a dialogue's questions, or None. Raises UserError
    for answers to other questions."""
    for turn, answer in turns.items():
        if turn > len(questions):
            raise UserError(
                f"{answer.where} answers turn {turn} of a dialogue that has {len(questions)}: "
                "these answers are for another split or another release."
            )
        asked = questions[turn - 1]
        if answer.question is not None and not _alike(answer.question, asked):
            raise UserError(
                f"{answer.where} answers '{answer.question[:60]}' where the dialogue asks "
                f"'{asked[:60]}': these answers are for another split or another release."
            )
    for turn in range(1, len(questions) + 1):
        if turn not in turns:
            return f"turn {turn} of {len(questions)} is not among the recorded answers"
        if turns[turn].speech is None:
            return f"turn {turn} of {len(questions)} is recorded without audio"
    return None


def check_answers(
    place: Path,
    name: str,
    names: Names,
    questions: dict[Item, list[str]] | None,
    max_missing: float = 1.0,
) -> list[str]:
    """What a user should know about recorded answers to a benchmark's `questions`; None: they are
    not known yet. A table allows `max_missing` (a share) without scores. Raises UserError for what
    cannot be used, and for answers to other dialogues."""
    key, found = f"released_replies.{name}", read_answers(place, name, names)
    odd = []
    for turns in found.values():
        for answer in turns.values():
            fault = oddity(answer.text, answer.speech) if answer.speech else None
            odd += [f"{answer.where}: {fault}"] if fault else []
    notices = listed(odd, "judged as recorded; hear it, and copy it again if it is another's")
    if questions is None:
        return notices
    if not found.keys() & questions.keys():
        (role, mode, idx), turns = next(iter(found.items()))
        raise UserError(
            f"{key}: {place} answers none of this run's dialogues (it has {role}, {mode} {idx}, "
            "for example): these answers are for another split or another release."
        )
    lost = []
    for item, asked in questions.items():
        reason = fault_of_answers(found.get(item, {}), asked)
        if reason:
            lost.append(f"{key}: {item[0]}, {item[1]} {item[2]}: {reason}")
    notices += listed(lost, "no whole reply, so its scores count as missing")
    if len(lost) > max_missing * len(questions):
        notices.append(
            f"{key}: {len(lost)} of {len(questions)} dialogues have no whole reply, more than "
            f"max_missing ({max_missing:.3g}) allows, so no table will be written; complete the "
            "recorded answers, or raise max_missing in the config."
        )
    others = sorted(found.keys() - questions.keys())
    if others:
        role, mode, idx = others[0]
        notices.append(
            f"{key}: {len(others)} recorded dialogues are none of this run's, as {role}, {mode} "
            f"{idx}; they are passed over."
        )
    return notices


def _table(place: Path, key: str) -> Path | None:
    """The table of answers, if they are in one."""
    if place.is_file():
        if place.suffix.lower() not in TABLES:
            raise UserError(f"{key}: {place} is neither a folder nor a .tsv or .csv table.")
        return place
    if not place.is_dir():
        raise UserError(f"{key}: {place} does not exist.")
    found = [path for path in visible(place) if path.suffix.lower() in TABLES]
    if len(found) > 1:
        raise UserError(f"{key}: {found[0]} and {found[1]} are both tables; give one of them.")
    return found[0] if found else None


def _of_table(path: Path, key: str, names: Names) -> Iterator[tuple[Item, int, Recorded]]:
    for where, row in _rows(path):
        role = role_called(row["role"], names, where)
        mode: Any = row["mode"]
        speech = _speech(row["audio"], where, (path.parent,), key)
        answer = Recorded(where, None, row["text"] or None, speech)
        yield (role, mode, int(row["idx"])), int(row["turn"]), answer


def _rows(path: Path) -> list[tuple[str, dict[str, str]]]:
    """The checked rows of a table, each with file and line."""
    if path.suffix.lower() == ".tsv":
        return located_rows(path, SCHEMA)
    reader = csv.reader(text_of(path).splitlines(keepends=True), strict=True)
    try:
        lines = [(reader.line_num, list(map(clean, cells))) for cells in reader if any(cells)]
    except csv.Error as error:
        raise UserError(f"{path} is no CSV that can be read ({error}); save it again.") from error
    (first, header), *rest = lines or [(1, [])]
    columns(header, SCHEMA, f"{path}, line {first}", "a comma")
    rows = []
    for number, cells in rest:
        where = f"{path}, line {number}"
        if len(cells) != len(header):
            raise UserError(f"{where}: there must be {len(header)} cells.")
        rows.append((where, dict(zip(header, cells, strict=True))))
        check(rows[-1][1], SCHEMA, where)
    return rows


def _of_folder(place: Path, key: str, names: Names) -> Iterator[tuple[Item, int, Recorded]]:
    for (role, mode), path in by_role(place, key, names, modes=()).items():
        document = read_json(path)
        _about(document, role, names, str(path))
        for idx, turns in _dialogues(document, str(path)):
            for number, found in enumerate(turns, start=1):
                where = f"{path}, dialogue {idx}, turn {number}"
                try:
                    turn = _Turn.model_validate(found)
                except ValidationError as error:
                    raise UserError(f"{where}: {fault_of(error)}; {SHAPE}.") from error
                said = turn.output or _Said()
                speech = _speech(said.audio_path, where, (path.parent, place, place.parent), key)
                answer = Recorded(where, turn.user_input.text, said.text or None, speech)
                yield (role, mode, idx), number if turn.turn is None else turn.turn, answer


def _dialogues(document: Any, where: str) -> Iterator[tuple[int, list[Any]]]:
    """The turns of each dialogue of a file, with its number from 0, in any of the three shapes."""
    parts = document if isinstance(document, list) else [document]
    if not parts or not all(isinstance(part, dict) for part in parts):
        raise UserError(f"{where}: {SHAPE}.")
    for place, part in enumerate(parts):
        found = {int(form[1]): part[key] for key in part if (form := DIALOGUE.fullmatch(key))}
        if "dialogue" in part:
            found[place] = part["dialogue"]
        if not found or not all(isinstance(turns, list) for turns in found.values()):
            raise UserError(f"{where}: {SHAPE}.")
        yield from found.items()


def _about(document: Any, role: str, names: Names, where: str) -> None:
    """Refuse a file of a role that says that it is another known role's."""
    for part in document if isinstance(document, list) else [document]:
        said = part.get("role") if isinstance(part, dict) else None
        other = names.get(clean(said)) if isinstance(said, str) else None
        if other not in (None, role):
            raise UserError(
                f"{where}: the file is called after role '{role}', but its \"role\" is '{said}'; "
                "correct the one that is wrong."
            )


def _speech(said: str | None, where: str, places: tuple[Path, ...], key: str) -> Speech | None:
    if not said:
        return None
    file = located(said, places)
    if file is None:
        raise UserError(f"{where}: '{said}' is not in {places[-1]}; copy the audio there ({key}).")
    return Speech(where, file)


def _alike(one: str, other: str) -> bool:
    """Whether two texts may be the same words; one of them may be a transcript with errors."""
    bare, other_bare = (re.sub(r"[\W_]+", "", text).casefold() for text in (one, other))
    return SequenceMatcher(None, bare, other_bare, autojunk=False).ratio() >= ALIKE

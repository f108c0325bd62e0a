"""Released scores: CSV files, and folders in the layout of the paper's authors.

A CSV (or a .tsv, with tabs) has one row a score pair, with the columns of `COLUMNS` and perhaps one
`judge`. A folder has a file {system}/{single|multi}/{role}.json with a list of the role's items; an
item is an object with "<metric>_results": {"score": [test, reference], ...} for each metric, in one
of two shapes: flat, where its "idx" counts, or each in a list of its own, where "idx" is always 0
and the position counts.

Nothing doubtful is taken: a file with one such score is refused, naming the place. What a system
lacks in a language that it has scores of is missing, and counted as such: one of the paper's
metrics, another one that it has scores of, or a whole item. The items are all that any system has,
and the paper's 392 as soon as one of them is given: a further item does not hide those left out.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.common.json_file import read_json
from scripts.common.tables import clean, text_of
from scripts.paper.report.expected import NOTHING, Expected, completed
from scripts.paper.report.published import ITEMS, PAPER_METRICS, read_published, with_printed
from scripts.paper.report.versioned_verdicts import VersionedVerdicts, by_version
from scripts.rows.jsonl import read_all
from scripts.rows.judging import Verdict

COLUMNS = ("system", "role", "mode", "idx", "metric", "score_test", "score_ref")
JUDGE = "not stated"
MODES = ("single", "multi")
SEPARATORS = {".csv": ",", ".tsv": "\t"}  # by file extension
LIKE_SCORES = re.compile(r"\.(?:json|csv|tsv)", re.IGNORECASE)  # compressed or not
NAMES = {  # as the released files spell them
    "Instruction_Adherence": "IA",
    "Conversational_Coherence": "CC",
    "Speech_Fluency": "SF",
    "Speech_Naturalness": "SN",
    "Prosodic_Consistency": "PC",
    "Emotion_Appropriateness": "EA",
    "Personality_Consistency": "PeC",
    "Knowledge_Consistency": "KC",
}
ABSENT = "not in the released scores"
ITEM = ("id", "role", "language", "pool", "mode", "idx")  # what an item's rows have in common
RESULTS = "_results"  # suffix of a metric's key in the authors' files


@dataclass(frozen=True)
class Cell:
    """One score pair as given, and its place."""

    where: str
    system: str
    judge: str
    role: str
    mode: str
    idx: Any
    metric: str
    score_test: Any
    score_ref: Any


def files_of(path: Path) -> list[Path]:
    """The file itself, or the score files of a folder. Raises UserError if there is none."""
    if path.is_file():
        if path.suffix.lower() not in (*SEPARATORS, ".json"):
            raise UserError(f"released_scores: {path} is no .csv, .tsv or .json file.")
        return [path]
    if not path.exists():
        raise UserError(f"released_scores: {path} does not exist.")
    found = []
    for file in sorted(path.glob("**/*")):
        parts = file.relative_to(path).parts
        # Hidden files, and metadata of macOS and others.
        hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
        if hidden or file.parent.name.lower() not in MODES or not LIKE_SCORES.search(file.name):
            continue
        if file.suffix.lower() != ".json":
            raise UserError(
                f"released_scores: {file} is no .json file; unpack or convert it, or take it away."
            )
        found.append(file)
    if not found:
        raise UserError(
            f"released_scores: {path} holds no files {{system}}/{{single|multi}}/{{role}}.json."
        )
    return found


def read_scores(
    verdicts: list[Path],
    released: list[Path],
    published_roles: Path,
    roles: list[dict[str, str]],
    expected: Expected = NOTHING,
    only: Mapping[str, Any] | None = None,
) -> VersionedVerdicts[Verdict]:
    """The Verdict rows of a run and those of released files, whose roles are of either table, by
    version of system and judge. What is `expected` of a run and not there is missing. Of released
    scores, those of `only` its roles and its number of items are taken (None: all).
    """
    own, gone = completed(read_all(verdicts, Verdict), expected)
    playing = [row for row in roles if row["pool"]]
    if released:
        roles = [*read_published(published_roles), *playing]
        found = read_released(released, roles, with_printed(expected.metrics))
        own += [row for row in found if _wanted(row, only or {})]
        if found and not own:
            raise UserError(f"released_scores: they have no score of the roles of `only`: {only}.")
    return by_version(own, gone)


def _wanted(row: Verdict, only: Mapping[str, Any]) -> bool:
    """Whether a smoke run takes a released score."""
    roles, items = only.get("roles"), only.get("items")
    return (not roles or row.role in roles) and (not items or row.idx < items)


def read_released(
    paths: list[Path], roles: list[dict[str, str]], metrics: Sequence[str] = PAPER_METRICS
) -> list[Verdict]:
    """The score pairs of all files as Verdict rows; `roles` give a role's language and pool.

    A role is found by `role` or, if it has that column, by `role_as_printed`. Raises UserError for
    a score that is not an integer from 1 to 10, an unknown role, mode or metric, a duplicate item
    or file, and a file in another format.
    """
    known = {row.get("role_as_printed") or row["role"]: row for row in roles}
    known |= {row["role"]: row for row in roles}
    contents: dict[str, Path] = {}
    verdicts: dict[tuple, Verdict] = {}
    places: dict[tuple, str] = {}
    for path in paths:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        table = path.suffix.lower() in SEPARATORS
        if digest in contents and table:
            raise UserError(f"released_scores: {contents[digest]} and {path} are the same file.")
        contents[digest] = path
        for cell in _table(path) if table else _item_file(path):
            row = _verdict(cell, known, metrics)
            key = (row.system, row.judge, row.role, row.mode, row.idx, row.metric)
            if key in verdicts:
                raise UserError(
                    f"{cell.where}: {row.metric} of {row.role}, {row.mode} {row.idx}, by "
                    f"{row.system} stands in {places[key]} already; keep one of them."
                )
            verdicts[key], places[key] = row, cell.where
    return [*verdicts.values(), *_absent(verdicts.values(), roles)]


def _table(path: Path) -> Iterator[Cell]:
    """The rows of a CSV or TSV file."""
    try:
        rows = list(_csv_rows(path))
    except csv.Error as error:
        raise UserError(f"{path} is no CSV that can be read ({error}); save it again.") from error
    (_, first), *rows = rows or [(1, [])]
    header = [clean(name) for name in first]
    for name in header:
        if name not in (*COLUMNS, "judge"):
            raise UserError(f"{path}, line 1: unknown column '{name}'{nearest(name, COLUMNS)}")
        if header.count(name) > 1:
            raise UserError(f"{path}, line 1: the column '{name}' is there twice; remove one.")
    lacking = [name for name in COLUMNS if name not in header]
    if lacking:
        raise UserError(f"{path}, line 1: the column '{lacking[0]}' is missing.")
    if not rows:
        raise UserError(f"{path} holds no scores, only a header; remove it from released_scores.")
    for number, cells in rows:
        where = f"{path}, line {number}"
        if len(cells) != len(header):
            raise UserError(f"{where}: there must be {len(header)} cells.")
        row = dict(zip(header, map(clean, cells), strict=True))
        judge = row.get("judge") or JUDGE
        yield Cell(where, judge=judge, **{name: row[name] for name in COLUMNS})


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The non-empty rows of a CSV or TSV file, with the line number of each row's end."""
    text = io.StringIO(text_of(path), newline="")
    reader = csv.reader(text, delimiter=SEPARATORS[path.suffix.lower()])
    for cells in reader:
        if any(map(str.strip, cells)):
            yield reader.line_num, cells


def _item_file(path: Path) -> Iterator[Cell]:
    """The items of a role and system, in either of the authors' shapes."""
    items = read_json(path)
    if not isinstance(items, list) or not items:
        raise UserError(f"{path}: a list with at least one item is expected.")
    role, mode, system = clean(path.stem), path.parent.name.lower(), clean(path.parent.parent.name)
    for place, entry in enumerate(items):
        where = f"{path}, item {place + 1}"
        parts = entry if isinstance(entry, list) else [entry]
        if not parts or not all(isinstance(part, dict) for part in parts):
            raise UserError(f"{where}: an object with the metrics' results is expected.")
        if not any(key != "idx" for part in parts for key in part):
            raise UserError(f"{where}: it has no metric's results; remove the item.")
        for part in parts:
            idx = place if isinstance(entry, list) else part.get("idx", place)
            for key, result in part.items():
                if key != "idx":
                    name = key.removesuffix(RESULTS)
                    test, reference = _pair(result, f"{where}, {name}")
                    yield Cell(where, system, JUDGE, role, mode, idx, name, test, reference)


def _pair(result: Any, where: str) -> tuple[Any, Any]:
    """The two scores of a metric's result."""
    score = result.get("score") if isinstance(result, dict) else None
    if not isinstance(score, list) or len(score) != 2:
        raise UserError(f'{where}: "score": [system under test, reference] is expected.')
    return score[0], score[1]


def _verdict(cell: Cell, known: dict[str, dict[str, str]], metrics: Sequence[str]) -> Verdict:
    """The checked row of a cell."""
    if not cell.system.strip():
        raise UserError(f"{cell.where}: the system has no name.")
    if cell.role not in known:
        raise UserError(f"{cell.where}: unknown role '{cell.role}'{nearest(cell.role, known)}")
    if cell.mode not in MODES:
        raise UserError(f"{cell.where}: unknown mode '{cell.mode}'{nearest(cell.mode, MODES)}")
    metric = NAMES.get(cell.metric, cell.metric)
    if metric not in metrics:
        near = nearest(cell.metric, [*NAMES, *metrics])
        raise UserError(f"{cell.where}: unknown metric '{cell.metric}'{near}")
    idx = _whole(cell.idx)
    if idx is None:
        raise UserError(f"{cell.where}: idx is {cell.idx!r}; a whole number from 0 is expected.")
    scores = {"score_test": _whole(cell.score_test), "score_ref": _whole(cell.score_ref)}
    for name, score in scores.items():
        if score is None or not 1 <= score <= 10:
            given = getattr(cell, name)
            raise UserError(
                f"{cell.where}: {metric}, {name} is {given!r}; a score is a whole number from 1 "
                "to 10. Mend the row or remove it: missing scores are counted, none is guessed."
            )
    role = known[cell.role]
    known_of_it: dict[str, Any] = {key: role[key] for key in ("role", "language", "pool")}
    known_of_it |= {"mode": cell.mode, "metric": metric, **scores}
    return Verdict(
        id=_item_id(role["role"], cell.mode, idx),
        system=cell.system.strip(),
        judge=cell.judge,
        idx=idx,
        rationale="",
        **known_of_it,
    )


def _whole(value: Any) -> int | None:
    """An integer, given as such, as text or as 8.0; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return int(float(value)) if re.fullmatch(r"[0-9]{1,6}(\.0+)?", value.strip()) else None
    return int(value) if isinstance(value, int | float) and value % 1 == 0 else None


def _absent(verdicts: Iterable[Verdict], roles: Sequence[dict[str, str]]) -> list[Verdict]:
    """A row without scores for each metric that a system lacks of an item in a language that it has
    scores of: a mean over chosen items looks like one over all."""
    by_item: dict[tuple, dict[str, Verdict]] = {}
    asked: dict[str, dict[str, dict[str, Any]]] = {}  # items by language
    metrics: dict[tuple, dict[str, None]] = {}  # by system, judge and language
    for row in verdicts:
        place = (row.system, row.judge, row.language)
        by_item.setdefault((*place, row.id), {})[row.metric] = row
        metrics.setdefault(place, dict.fromkeys(PAPER_METRICS))[row.metric] = None
        asked.setdefault(row.language, {})[row.id] = row.model_dump(include=set(ITEM))
    for language, items in asked.items():
        items |= _paper_items(language, items, roles)
    lost: dict[str, Any] = {"rationale": "", "score_test": None, "score_ref": None}
    lost["dropped"] = ABSENT
    return [
        Verdict(system=system, judge=judge, metric=metric, **item, **lost)
        for (system, judge, language), own in metrics.items()
        for name, item in asked[language].items()
        for metric in own
        if metric not in by_item.get((system, judge, language, name), {})
    ]


def _paper_items(
    language: str, given: dict[str, dict[str, Any]], roles: Sequence[dict[str, str]]
) -> dict[str, dict[str, Any]]:
    """All of the paper's items of a language if one of them is `given`, else none."""
    items = {
        _item_id(row["role"], mode, idx): {
            **{key: row[key] for key in ("role", "language", "pool")},
            **{"id": _item_id(row["role"], mode, idx), "mode": mode, "idx": idx},
        }
        for row in roles
        if "role_as_printed" in row and row["language"] == language
        for mode in MODES
        for idx in range(ITEMS // len(MODES))
    }
    return items if given.keys() & items.keys() else {}


def _item_id(role: str, mode: str, idx: int) -> str:
    return f"{role}/{mode}/{idx}"

"""The verdicts a run should have; those whose row is gone count as missing.

A file that lost rows looks complete. What a run judges is known without it: each test dialogue, by
each system, judge and metric. Tables complete their verdicts here before they count them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, get_args

from scripts.common.errors import UserError
from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import given, read_all
from scripts.rows.judging import Form, Probe, Verdict

GONE = "its row is gone"
PROBES: tuple[Form, ...] = get_args(Form)

AnyVerdict = TypeVar("AnyVerdict", bound=Verdict)


@dataclass(frozen=True)
class Expected:
    """What a run judges: files of its test dialogues, and names from the config."""

    test: Sequence[Path] = ()
    systems: Sequence[str] = ()
    judges: Sequence[str] = ()
    metrics: Sequence[str] = ()


NOTHING = Expected()


def completed(verdicts: list[Verdict], expected: Expected) -> tuple[list[Verdict], list[str]]:
    """The verdicts with a row without scores for each that is gone, and notes about those.

    Raises UserError for a duplicate verdict and for one that this run does not judge. Without
    test dialogues nothing is expected and nothing is checked.
    """
    if not expected.test:
        return verdicts, []
    there = _by_key(verdicts)
    silent = {(v.system, v.language) for v in verdicts if not v.offered}
    wanted = {
        _key(row): row
        for dialogue in read_all(expected.test, Dialogue)
        for row in _blanks(dialogue, expected, silent)
    }
    return _filled(there, wanted)


def completed_probes(
    probes: list[Probe], items: Iterable[tuple[Dialogue, str]], expected: Expected
) -> tuple[list[Probe], list[str]]:
    """Like `completed`, for the probes of the chosen `items` (dialogue, system)."""
    if not expected.test:
        return probes, []
    wanted = {}
    for dialogue, system in items:
        own = Expected(expected.test, [system], expected.judges, expected.metrics)
        for row in _blanks(dialogue, own, set()):
            for probe in PROBES:
                blank = Probe(**row.model_dump(), probe=probe)
                wanted[_key(blank)] = blank
    return _filled(_by_key(probes), wanted)


def _blanks(
    dialogue: Dialogue, expected: Expected, silent: Set[tuple[str, str]]
) -> Iterator[Verdict]:
    """A row without scores for each system, judge and metric of a dialogue. `silent`: (system,
    language) pairs that are not spoken."""
    for system in expected.systems:
        for judge in expected.judges:
            for metric in expected.metrics:
                yield Verdict(
                    id=dialogue.id,
                    system=system,
                    judge=judge,
                    role=dialogue.role,
                    mode=dialogue.mode,
                    idx=given(dialogue.idx),
                    language=dialogue.language,
                    pool=dialogue.pool,
                    metric=metric,
                    score_test=None,
                    score_ref=None,
                    rationale="",
                    offered=(system, dialogue.language) not in silent,
                    dropped=GONE,
                )


def _by_key(rows: list[AnyVerdict]) -> dict[tuple, AnyVerdict]:
    found: dict[tuple, AnyVerdict] = {}
    for row in rows:
        if _key(row) in found:
            raise UserError(f"{_place(row)} has {_named(row)} twice. {_again(row)}")
        found[_key(row)] = row
    return found


def _filled(
    there: dict[tuple, AnyVerdict], wanted: dict[tuple, AnyVerdict]
) -> tuple[list[AnyVerdict], list[str]]:
    """The existing rows plus blank ones for those missing, and notes about the gaps."""
    for key, row in there.items():
        if key not in wanted:
            raise UserError(
                f"{_place(row)} has {_named(row)}, which this run does not judge. {_again(row)}"
            )
    gone = [row for key, row in wanted.items() if key not in there]
    all_of = Counter(map(_place, wanted.values()))
    notes = [
        f"{count} of the {all_of[place]} rows that {place} should have are gone, and counted as "
        "missing. Delete it to have them made again: kept answers are used."
        for place, count in Counter(map(_place, gone)).items()
    ]
    for note in notes:
        print(f"warning: {note}")
    return [*there.values(), *gone], notes


def _key(row: Verdict) -> tuple:
    return row.system, row.judge, row.id, row.metric, getattr(row, "probe", "")


def _place(row: Verdict) -> str:
    """The folder of a row's file, or the file of a probe."""
    end = "probes.jsonl" if isinstance(row, Probe) else row.system
    return f"results/judging/{row.judge}/{end}"


def _named(row: Verdict) -> str:
    what = f"{row.metric} of {row.role}, {row.mode} {row.idx}, by {row.system}"
    return f"{what} ({row.probe})" if isinstance(row, Probe) else what


def _again(row: Verdict) -> str:
    return f"Delete {_place(row)} to have it made again: kept answers are used."

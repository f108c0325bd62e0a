"""Verdicts, kept apart by the version of the system and of the judge.

A service may change the model behind a name from one day to the next. The version that it states is
in each verdict; scores of two versions are scores of two systems, or two judges, and are never
averaged. Every table reads its verdicts through this module.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from scripts.paper.report.expected import Expected, completed
from scripts.paper.report.published import as_printed
from scripts.rows.jsonl import read_all
from scripts.rows.judging import Verdict

UNKNOWN = "version not stated"
BEFORE = " ["  # a version follows a name

AnyVerdict = TypeVar("AnyVerdict", bound=Verdict)


@dataclass(frozen=True)
class VersionedVerdicts(Generic[AnyVerdict]):
    """Verdicts with versions in `system` and `judge`, and notes for the reader."""

    verdicts: list[AnyVerdict]
    notes: list[str]


def read_verdicts(paths: Iterable[Path], expected: Expected) -> VersionedVerdicts[Verdict]:
    """The rows of several files, by version; those that are `expected` and not there are missing.
    Without files nothing is expected."""
    if not (files := list(paths)):
        return VersionedVerdicts([], [])
    return by_version(*completed(read_all(files, Verdict), expected))


def by_version(
    verdicts: Sequence[AnyVerdict], notes: Sequence[str] = ()
) -> VersionedVerdicts[AnyVerdict]:
    """Verdicts with systems spelled as printed and, where a system or a judge has more than one
    version, as "name [version]". `notes` are what a reader must know already.

    Each of those gets a note, which is also printed as a warning. A verdict without scores and
    version counts with the most frequent version; one with scores but no version has the version
    "version not stated".
    """
    systems = _versions((v.system, v.system_version, v) for v in verdicts)
    judges = _versions((v.judge, v.version, v) for v in verdicts)
    told = [
        *(_note("system", as_printed(name), found) for name, found in systems.items()),
        *(_note("judge", name, found) for name, found in judges.items()),
    ]
    for note in told:
        print(f"warning: {note}")
    return VersionedVerdicts(
        [
            verdict.model_copy(
                update={
                    "system": as_printed(verdict.system)
                    + _label(systems.get(verdict.system), verdict.system_version, verdict),
                    "judge": verdict.judge
                    + _label(judges.get(verdict.judge), verdict.version, verdict),
                }
            )
            for verdict in verdicts
        ],
        [*notes, *told],
    )


def without_version(name: str) -> str:
    """A system's or a judge's name without its version."""
    return name.partition(BEFORE)[0]


def _versions(
    rows: Iterable[tuple[str, str | None, Verdict]],
) -> dict[str, list[tuple[str, int]]]:
    """(version, scores) of each name with several versions, the most frequent first."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for name, version, verdict in rows:
        if version or _scored(verdict):
            counts[name][version or UNKNOWN] += 1
    return {
        name: sorted(found.items(), key=lambda item: (-item[1], item[0]))
        for name, found in counts.items()
        if len(found) > 1
    }


def _label(found: list[tuple[str, int]] | None, version: str | None, verdict: Verdict) -> str:
    """The suffix of a name; empty if there is only one version."""
    if found is None:
        return ""
    stated = version or (UNKNOWN if _scored(verdict) else found[0][0])
    return f"{BEFORE}{stated}]"


def _scored(verdict: Verdict) -> bool:
    return verdict.score_test is not None


def _note(what: str, name: str, found: list[tuple[str, int]]) -> str:
    listed = ", ".join(f"{version} ({count} verdicts)" for version, count in found)
    folder = "results/systems" if what == "system" else "results/judging"
    return (
        f"The {what} `{name}` answered as {len(found)} versions: {listed}. They stand apart and "
        "share no mean. To have only one, set `version` of this model in the config and delete "
        f"what it made in {folder}: kept answers of that version are used, the rest asked anew."
    )

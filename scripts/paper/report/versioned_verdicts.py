"""Verdicts, kept apart by the version of the system and of the judge.

A service may change the model behind a name from one day to the next. The version that it states is
in each verdict; scores of two versions are scores of two systems, or two judges, and are never
averaged. What answered is always told, and scores by another model than the one that was asked for
stand under the other one's name (scripts/services/model_versions.py says what is another). Every
table reads its verdicts through this module.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from scripts.paper.report.expected import Expected, completed
from scripts.paper.report.published import JUDGE, as_printed
from scripts.rows.jsonl import read_all
from scripts.rows.judging import Verdict
from scripts.services.model_versions import same_model

UNKNOWN = "version not stated"
BEFORE = " ["  # a version follows a name
NOT = "not "  # then follows what was asked and did not answer
JOINED = " + "  # between the versions of a verdict that has several

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
    version, as "name [version]"; by another model than was asked for, as "version [not name]".
    `notes` are what a reader must know already.

    Each stated version gets a note; if there are several, or it is another model, that is also
    printed as a warning. A verdict without scores and version counts with the most frequent
    version; one with scores but no version has the version "version not stated".
    """
    systems = _versions((v.system, v.system_asked, v.system_version, v) for v in verdicts)
    judges = _versions((v.judge, _judge_of(v), v.version, v) for v in verdicts)
    told = [
        *(note for one in systems.values() for note in _notes("system", one)),
        *(note for one in judges.values() for note in _notes("judge", one)),
    ]
    return VersionedVerdicts(
        [
            verdict.model_copy(
                update={
                    "system": systems[verdict.system].label(verdict.system_version, verdict),
                    "judge": judges[verdict.judge].label(verdict.version, verdict),
                }
            )
            for verdict in verdicts
        ],
        [*notes, *told],
    )


def without_version(name: str) -> str:
    """What a system or a judge of a table is called in the config."""
    bearing, _, rest = name.partition(BEFORE)
    return rest[len(NOT) : -1] if rest.startswith(NOT) else bearing


def bearing(name: str) -> str:
    """What scores stand under, without a version: a name of the config, or of another model."""
    return name.partition(BEFORE)[0]


@dataclass(frozen=True)
class _Versions:
    """What answered for one system or judge, called `name`, for which `asked` was asked; `found`
    are (version, scores), the most frequent first."""

    name: str
    asked: str | None
    found: list[tuple[str, int]]

    def label(self, version: str | None, verdict: Verdict) -> str:
        """The name that a verdict stands under."""
        stated = version or (UNKNOWN if _scored(verdict) or not self.found else self.found[0][0])
        if self.is_another(stated):
            return f"{stated}{BEFORE}{NOT}{self.name}]"
        return f"{self.name}{BEFORE}{stated}]" if len(self.found) > 1 else self.name

    def is_another(self, stated: str) -> bool:
        """Whether a version is of another model than was asked for."""
        if self.asked is None or stated == UNKNOWN:
            return False
        return not all(same_model(self.asked, part) for part in stated.split(JOINED))


def _versions(
    rows: Iterable[tuple[str, str | None, str | None, Verdict]],
) -> dict[str, _Versions]:
    """What answered, by name, from (name, asked, version, verdict)."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    asked: dict[str, str] = {}
    for name, wanted, version, verdict in rows:
        counts[name].update([version or UNKNOWN] if version or _scored(verdict) else [])
        if wanted:
            asked[name] = wanted
    return {
        name: _Versions(
            as_printed(name),
            asked.get(name),
            sorted(found.items(), key=lambda item: (-item[1], item[0])),
        )
        for name, found in counts.items()
    }


def _judge_of(verdict: Verdict) -> str | None:
    """The model that a judge should be; one called as the paper's must be that one."""
    return JUDGE if verdict.asked and verdict.judge == JUDGE else verdict.asked


def _scored(verdict: Verdict) -> bool:
    return verdict.score_test is not None


def _notes(what: str, one: _Versions) -> list[str]:
    """What a reader must know about the versions of a system or judge."""
    listed = ", ".join(f"{version} ({count} verdicts)" for version, count in one.found)
    notes = []
    if len(one.found) > 1:
        folder = "results/systems" if what == "system" else "results/judging"
        notes.append(
            f"The {what} `{one.name}` answered as {len(one.found)} versions: {listed}. They stand "
            "apart and share no mean. To have only one, set `version` of this model in the config "
            f"and delete what it made in {folder}: kept answers of that version are used, the rest "
            "asked anew."
        )
    others = [version for version, _ in one.found if one.is_another(version)]
    if others:
        notes.append(
            f"The {what} `{one.name}` should be {one.asked}, and {', '.join(others)} answered: "
            f"another model. Its scores stand under its own name and are not those of {one.asked}. "
            "Set `version` of this model in the config to stop at such an answer."
        )
    for note in notes:
        print(f"warning: {note}")
    if not notes and one.found and one.found[0][0] != UNKNOWN:
        notes.append(f"The {what} `{one.name}` answered as {one.found[0][0]}.")
    return notes

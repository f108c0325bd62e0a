"""How many test items a run has beside the paper's 328 English and 64 Chinese, and why.

Every difference is counted by role, so that the parts add up to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scripts.paper.report.published import ITEMS, LANGUAGES
from scripts.rows.dialogues import Dialogue
from scripts.rows.judging import Verdict

NAMED = 10  # roles named one by one
Change = tuple[int, str]  # items more or less than the paper's, and why


def item_notes(
    test: Sequence[Dialogue],
    verdicts: Sequence[Verdict],
    roles: Sequence[Mapping[str, str]],
    published_roles: Sequence[Mapping[str, Any]],
) -> list[str]:
    """A sentence a language with its number of test items, the paper's, and the differences.

    `roles` are the rows of the run's table; released scores come without `test` dialogues, and then
    count by their verdicts against the paper's roles, in the languages that they have.
    """
    rows: Sequence[Dialogue | Verdict] = test or verdicts
    items = {(row.role, str(row.mode), row.idx): row.language for row in rows}
    scored = {(v.role, str(v.mode), v.idx) for v in verdicts if v.score_test is not None}
    reasons: dict = {(v.role, str(v.mode), v.idx): v.dropped for v in verdicts if v.dropped}
    played = [row for row in roles if row["pool"]] if test else published_roles
    notes = []
    for language in LANGUAGES:
        found = Counter(key[0] for key, own in items.items() if own == language)
        if not found and not test:
            continue  # no released scores in it
        cast = [str(row["role"]) for row in played if row["language"] == language]
        paper = sum(row["language"] == language for row in published_roles)
        changes = differences_of(found, cast, paper)
        told = "; ".join(f"{number:+d}: {why}" for number, why in changes) or "the same"
        note = f"{language}: N = {found.total()}, the paper's {paper * ITEMS} ({told})."
        blank = [key for key, own in items.items() if own == language and key not in scored]
        if blank and verdicts:
            why = Counter(reasons.get(key) or "its row is gone" for key in blank)
            listed = "; ".join(f"{reason}, {n}" for reason, n in why.most_common(3))
            note += f" {len(blank)} of them have no score of any system ({listed})."
        notes.append(note)
    return notes


def differences_of(found: Mapping[str, int], cast: Sequence[str], paper: int) -> list[Change]:
    """The parts that the difference in items is made of: `found` are the items of each role, `cast`
    the roles that the run has, `paper` the number of the paper's roles."""
    everyone = list(dict.fromkeys([*cast, *found]))
    none = [role for role in everyone if not found.get(role)]
    few = [role for role in everyone if 0 < found.get(role, 0) < ITEMS]
    many = [role for role in everyone if found.get(role, 0) > ITEMS]
    lost = sum(ITEMS - found[role] for role in few)
    more = sum(found[role] - ITEMS for role in many)
    changes = [
        ((len(everyone) - paper) * ITEMS, f"{_roles(len(everyone))} instead of {paper}"),
        (-len(none) * ITEMS, f"no test item of {_names(none)}"),
        (-lost, f"fewer than {ITEMS} items of {_names(few)}"),
        (more, f"more than {ITEMS} items of {_names(many)}"),
    ]
    return [change for change in changes if change[0]]


def _names(roles: Iterable[str]) -> str:
    names = sorted(roles)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{_roles(len(names))} ({', '.join(names[:NAMED])}{more})"


def _roles(number: int) -> str:
    return "1 role" if number == 1 else f"{number} roles"

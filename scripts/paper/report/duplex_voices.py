"""Sections of how like a system's voice is to its sample, by role and voice.

A role is a role prompt. If a role's text disturbs the voice, a row differs from the others in the
same column; if a voice is hard to take on, a column does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from scripts.paper.report.layout import Section
from scripts.rows.duplex import DuplexItem, DuplexScore

LONGEST = 40  # letters of a role prompt that names a role

Cells = dict[tuple[str, ...], list[DuplexScore]]
Line = dict[str, Any]


def role_names(items: Iterable[DuplexItem]) -> dict[tuple[str, str], str]:
    """What the role of an item is called, by its collection and id: the scenario, if that alone has
    the role prompt, else how the prompt begins."""
    rows = list(items)
    scenarios: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        scenarios.setdefault((row.collection, row.role_prompt), set()).add(row.scenario)
    named = {}
    for row in rows:
        own = scenarios[row.collection, row.role_prompt]
        prompt = row.role_prompt[:LONGEST].strip() or "no role"
        named[row.collection, row.id] = min(own) if len(own) == 1 else prompt
    return named


def voice_names(items: Iterable[DuplexItem]) -> dict[tuple[str, str], str]:
    """The voice samples of each collection, by it and the file: "voice 1" and so on, in the order
    of their files."""
    files: dict[str, set[str]] = {}
    for row in items:
        if row.voice:
            files.setdefault(row.collection, set()).add(row.voice)
    return {
        (collection, file): f"voice {number}"
        for collection, own in files.items()
        for number, file in enumerate(sorted(own), 1)
    }


def voice_rows(scores: Iterable[DuplexScore], items: Sequence[DuplexItem]) -> list[Line]:
    """csv rows: the similarity (on the scale) by role and voice, and of each voice the share of
    outputs that are nearest to each sample; by each embedder."""
    roles, voices = role_names(items), voice_names(items)
    given = {(row.collection, row.id): row.voice for row in items if row.voice}
    matrix: Cells = {}
    taken: Cells = {}
    for row in scores:
        place = row.collection, row.id
        if place in given and row.form == "corrected":
            about = (row.system, row.collection, row.by)
            voice = voices[row.collection, given[place]]
            if row.metric == "similarity":
                matrix.setdefault((*about, roles[place], voice), []).append(row)
            elif row.metric == "own_voice":
                taken.setdefault((*about, voice), []).append(row)
    return [*_similarities(matrix), *_confusions(taken, voices)]


def voice_sections(rows: Iterable[Line], items: Iterable[DuplexItem]) -> list[Section]:
    """The grids of the rows, without collections that have a single voice."""
    single = single_voices(items)
    several = [row for row in rows if row["collection"] not in single]
    alike = [row for row in several if row["metric"] == "similarity"]
    nearest = [row for row in several if row["metric"] == "nearest_voice"]
    return [
        _wide(alike, "Similarity by role and voice: 0 a stranger, 1 the same", "role", "voice"),
        _wide(nearest, "The voice sample that outputs are nearest to", "voice", "nearest"),
    ]


def voice_notes(items: Iterable[DuplexItem]) -> list[str]:
    """How the grids are read, and which collections are not in them."""
    single = ", ".join(single_voices(items))
    left_out = f" Not there, as all their items have one voice sample: {single}." if single else ""
    return [
        "By role and voice, in brackets how many outputs. If a role's text disturbs the voice, its "
        "row differs from others in the same column. The samples are numbered in the order of "
        f"their files (results/duplex/items).{left_out}"
    ]


def single_voices(items: Iterable[DuplexItem]) -> list[str]:
    """The collections of which all items have the same voice sample."""
    counts = Counter(collection for collection, _ in voice_names(items))
    return [name for name, count in sorted(counts.items()) if count == 1]


def _similarities(matrix: Cells) -> list[Line]:
    found = []
    for (system, collection, by, role, voice), scores in sorted(matrix.items()):
        values = [row.value for row in scores if row.value is not None]
        found.append(
            {"system": system, "collection": collection, "metric": "similarity"}
            | {"form": "corrected", "by": by, "role": role, "voice": voice}
            | {"value": float(np.mean(values)) if values else None}
            | {"n": len(values), "missing": len(scores) - len(values)}
        )
    return found


def _confusions(taken: Cells, voices: dict[tuple[str, str], str]) -> list[Line]:
    """The share of a voice's outputs that are nearest to each sample."""
    found = []
    for (system, collection, by, voice), scores in sorted(taken.items()):
        known = [row for row in scores if row.value is not None]
        nearest = Counter(voices[collection, row.label] for row in known)
        for other in (name for (own, _), name in voices.items() if own == collection):
            found.append(
                {"system": system, "collection": collection, "metric": "nearest_voice"}
                | {"form": "corrected", "by": by, "voice": voice, "nearest": other}
                | {"value": nearest[other] / len(known) if known else None}
                | {"n": len(known), "missing": len(scores) - len(known)}
            )
    return found


def _wide(rows: Iterable[Line], title: str, of: str, across: str) -> Section:
    """A grid with a row for each `of`, a column for each value of `across`, and of roles the mean
    over voices."""
    keys = ("system", "collection", "by", of)
    lines: dict[tuple[str, ...], Line] = {}
    values: dict[tuple[str, ...], list[float]] = {}
    names: set[str] = set()
    for row in rows:
        key = tuple(row[name] for name in keys)
        line = lines.setdefault(key, {name: row[name] for name in keys})
        names.add(row[across])
        if row["value"] is not None:
            line[row[across]] = f"{row['value']:.2f} ({row['n']})"
            values.setdefault(key, []).append(row["value"])
    ordered = sorted(names, key=lambda name: (len(name), name))
    columns = {name: name for name in (*keys, *ordered)}
    if of == "role":
        columns["mean"] = "mean of voices"
        for key, own in values.items():
            lines[key]["mean"] = float(np.mean(own))
    return Section(list(lines.values()), columns, title, digits=2)

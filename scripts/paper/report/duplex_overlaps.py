"""Sections of what systems do when something overlaps their answer (Full-Duplex-Bench 1.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from scripts.duplex import overlap_corrected, overlap_official
from scripts.paper.report.duplex_summary import Summary, cell
from scripts.paper.report.layout import Section
from scripts.rows.duplex import DuplexScore

TASKS = {
    "interruption": "user interrupts",
    "user_backchannel": "user says mm-hm",
    "bystander": "user talks to another",
    "noise": "background",
}
BEHAVIOURS = {
    "official": {own: own for own in overlap_official.BEHAVIOURS},
    "corrected": {own: own.replace("_", " ") for own in overlap_corrected.BEHAVIOURS},
}
LATENCIES = {"stop_latency": "stops after, s", "response_latency": "answers after, s"}
CHANGES = {
    "talk_change": "talks longer by, s",
    "rate_change": "words a minute",
    "pitch_change": "pitch",
    "pitch_spread_change": "its spread",
    "level_change": "level, dB",
    "level_spread_change": "its spread, dB",
}
TITLES = {
    "official": "Overlaps, by the published rules (scripts/duplex/overlap_official.py)",
    "corrected": "Overlaps, with the rules' defects mended (scripts/duplex/overlap_corrected.py)",
}
NOTE = (
    "Overlaps (Full-Duplex-Bench 1.5): shares of behaviours. After an interruption `respond` or "
    "`spoke again` is wanted, otherwise `resume` or `went on`. Published behaviours are a judge's "
    "verdicts, the mended ones are from activity alone. Changes: official, after the overlap less "
    "before it, pitch in Hz; mended, less the clean counterpart, pitch in semitones. Judged and "
    "compared are only items with a clean counterpart (of the set `known`: "
    "`duplex.known.clean: true`)."
)


def shares(scores: Iterable[DuplexScore]) -> Iterator[DuplexScore]:
    """Each verdict on a behaviour once more for each behaviour that there is: 1 if it was found, 0
    if not; the means of these are the shares."""
    for row in scores:
        if row.metric == "behaviour":
            for name in BEHAVIOURS[row.form]:
                value = None if row.value is None else float(row.label == name)
                yield row.model_copy(update={"metric": f"behaviour: {name}", "value": value})


def overlap_sections(found: Iterable[Summary]) -> list[Section]:
    """A section a form, a row a system, collection and kind of overlap."""
    rows: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {form: {} for form in TITLES}
    for one in found:
        name = one.metric.removeprefix("behaviour: ")
        known = BEHAVIOURS[one.form] | LATENCIES | CHANGES
        if one.task in TASKS and name in known:
            about = {"system": one.system, "collection": one.collection, "task": TASKS[one.task]}
            rows[one.form].setdefault(tuple(about.values()), about)[name] = cell(one)
    key = {"system": "system", "collection": "collection", "task": "overlap"}
    return [
        Section(list(rows[form].values()), key | columns(form), title)
        for form, title in TITLES.items()
    ]


def columns(form: str) -> dict[str, str]:
    """The measures that there are in a form."""
    measures = LATENCIES | CHANGES
    left_out = {"official": "talk_change", "corrected": "response_latency"}[form]
    return BEHAVIOURS[form] | {key: own for key, own in measures.items() if key != left_out}

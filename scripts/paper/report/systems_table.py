"""The page of Tables 2 and 3: printed scores and this run's, never ranked together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.paper.report.layout import EMPTY, Section, write_table
from scripts.paper.report.published import (
    DEMO,
    JUDGE,
    LANGUAGES,
    SOURCES,
    as_printed,
    read_published,
)
from scripts.paper.report.scores import (
    POOLS,
    header,
    missing_rows,
    refuse_missing,
    score_rows,
    unvoiced_notes,
    with_overall,
)
from scripts.paper.report.statistics import FEWEST
from scripts.paper.report.versioned_verdicts import VersionedVerdicts, bearing
from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import read_all
from scripts.rows.judging import Verdict
from scripts.rows.systems import Reply
from scripts.workflow.model_spec import ModelSpec

RELEASED = "released scores"
UNRANKED = 0.01  # share of missing scores above which a row is not ranked
NAMES = {"language": "Language", "domain": "Domain", "system": "System", "judge": "Judge"}
NOTES = [
    "A score is the mean over items of the judge's score of the system's reply divided by that of "
    "the reference (section 4.2); overall is the mean of the paper's eight metrics. The best value "
    "is bold and the second underlined, within a language, a domain and a source, among the rows "
    "that lack no more than 1 % of their scores: others are means over other items.",
    "Intervals are 95 % t intervals of role means (items of a role are not independent), followed "
    "by items scored / missing; overall counts the scores of those eight. With fewer than "
    "five roles there is none. From twenty roles on the 95 % of 10,000 resamples of whole roles "
    "(cluster bootstrap) stand beside them. A missing score is in no mean.",
]


def write_comparison(
    published: Path,
    scores: VersionedVerdicts[Verdict],
    replies: list[Path],
    test: list[Path],
    systems: dict[str, ModelSpec | str],
    metrics: Sequence[str],
    max_missing: float,
    domains: Sequence[str],
    outputs: tuple[Path, Path, Path],
    title: str,
    sections: Sequence[Section] = (),
    notes: Sequence[str] = (),
) -> None:
    """Write the csv, md and tex (`outputs`) of a table of scores.

    `published` is the printed table; `systems` holds the spec of each system of this run, or
    where its answers were recorded, by name; `metrics` begin with the paper's. Printed rows come
    first within a language. `sections` and `notes` are added to the page's own. Raises UserError if
    more than `max_missing` of a system's scores are missing.
    """
    verdicts = scores.verdicts
    refuse_missing(verdicts, max_missing)
    origin = _printed_rows(published, domains[0], header(metrics))
    rows = sorted(
        [*origin, *score_rows(verdicts, domains, metrics)],
        key=lambda row: LANGUAGES.index(row["language"]),
    )
    made_up = {row.id for row in read_all(test, Dialogue) if row.synthetic}
    # A run has systems of its own; without them the scores are released ones.
    own = SOURCES["run"] if systems else RELEASED
    empty = _without_items(verdicts, domains)
    shown = [
        row | _labels(row, verdicts, made_up, own)
        for row in rows
        if row["source"] == "printed" or (row["language"], row["domain"]) not in empty
    ]
    names = {key: name for key, name in NAMES.items() if key != "domain" or len(domains) > 1}
    names |= {"labelled": "Source"}
    page = [
        Section(
            shown,
            names | {score: score for score in metrics} | {"overall": "Overall"},
            ranked=with_overall(metrics),
            within=("language", "domain", "source", "judge", "apart"),
        ),
        *_intervals([row for row in shown if row["source"] == "run"], with_overall(metrics)),
    ]
    missing = missing_rows(verdicts)
    if missing:
        columns = {"language": "Language", "system": "System", "metric": "Metric"}
        columns |= {"reason": "Reason", "n": "Scores"}
        page.append(Section(missing, columns, "Missing scores"))
    if empty:
        places = "; ".join(f"{language}, {domain}" for language, domain in empty)
        notes = [*notes, f"Left out, as there are no items of it: {places}."]
    if any(row["source"] == "run" and not row["overall_n"] for row in shown):
        notes = [
            *notes,
            "A row of dashes: the system does not speak the language, or has no score in it (the "
            "missing scores say so).",
        ]
    about = _about(verdicts, replies, systems, made_up)
    gaps = unvoiced_notes(verdicts)
    notes = [*NOTES, *notes, *scores.notes, *gaps, *cut_notes(verdicts), *about]
    write_table(rows, *outputs, title, notes, sections=[*page, *sections], header=header(metrics))


def cut_notes(verdicts: list[Verdict]) -> list[str]:
    """A note on audio of which a judge heard only the beginning, if there is any."""
    notes = []
    for judge in dict.fromkeys(verdict.judge for verdict in verdicts):
        parts: dict[tuple[str, str], int] = {}  # each metric's verdict has the count of its item
        for v in verdicts:
            if v.judge == judge:
                parts[v.system, v.id] = max(v.cut, parts.get((v.system, v.id), 0))
        if any(parts.values()):
            notes.append(
                f"`{judge}` heard only the beginning of {sum(parts.values())} audio parts, in "
                f"{sum(map(bool, parts.values()))} of {len(parts)} items: they are longer than its "
                "limit (`longest`)."
            )
    return notes


def describe(spec: ModelSpec | str) -> str:
    """A model's spec in words: backend and options, nested models included. Of recorded answers
    their folder or table is known."""
    if isinstance(spec, str):
        return f"answers recorded in `{spec}`"
    options = [
        f"{key}: {describe(value) if isinstance(value, ModelSpec) else value}"
        for key, value in spec.options.items()
    ]
    return f"{spec.backend} ({', '.join(options)})" if options else spec.backend


def _printed_rows(published: Path, domain: str, columns: list[str]) -> list[dict[str, Any]]:
    """Printed rows with all `columns`; intervals and counts were not printed."""
    common = dict.fromkeys(columns) | {"domain": domain, "judge": JUDGE, "source": "printed"}
    return [common | row for row in read_published(published)]


def _without_items(verdicts: list[Verdict], domains: Sequence[str]) -> list[tuple[str, str]]:
    """The (language, domain) pairs of which nothing was judged, of the languages that have
    verdicts."""
    return [
        (language, domain)
        for language in LANGUAGES
        for domain in domains
        if any(v.language == language for v in verdicts)
        and not any(v.language == language and v.pool in POOLS[domain] for v in verdicts)
    ]


def _labels(
    row: dict[str, Any], verdicts: list[Verdict], made_up: set[str], own: str
) -> dict[str, str]:
    """The `label` of a row, its source and whether every item is synthetic, and `labelled`, which
    also says how many of its scores there are: with some missing, it is a mean over other items
    than its neighbours'. A row that lacks more than `UNRANKED` is not ranked: `apart` names it."""
    label = own if row["source"] == "run" else SOURCES[row["source"]]
    items = {
        verdict.id
        for verdict in verdicts
        if verdict.language == row["language"] and verdict.pool in POOLS[row["domain"]]
    }
    synthetic = row["source"] == "run" and items and items <= made_up
    label += ", synthetic" if synthetic else ""
    there, lost = row["overall_n"], row["overall_missing"]
    part = f", {there} of {there + lost} scores" if lost else ""
    apart = row["system"] if lost and lost > UNRANKED * (there + lost) else ""
    return {"label": label, "labelled": label + part, "apart": apart}


def _intervals(rows: list[dict[str, Any]], scores: Sequence[str]) -> list[Section]:
    """A grid a language and domain, with a line a score and a column a system."""
    sections = []
    for place in dict.fromkeys((row["language"], row["domain"]) for row in rows):
        here = [row for row in rows if (row["language"], row["domain"]) == place]
        several = len({row["judge"] for row in here}) > 1
        columns = {"score": "Score"} | {
            f"{row['system']} {row['judge']}": f"{row['system']}, {row['judge']}"
            if several
            else row["system"]
            for row in here
        }
        some = any(row[f"{score}_lo"] is not None for row in here for score in scores)
        lines = [
            {"score": score.capitalize() if score == "overall" else score}
            | {f"{row['system']} {row['judge']}": _interval(row, score, some) for row in here}
            for score in scores
        ]
        names = ", ".join(dict.fromkeys([here[0]["label"], *place])).removesuffix(", all")
        what = "95 % intervals and counts" if some else "Scored / missing"
        why = "" if some else f" (under {FEWEST} roles: no intervals)"
        sections.append(Section(lines, columns, f"{what}, {names}{why}"))
    return sections


def _interval(row: dict[str, Any], score: str, some: bool) -> str:
    """'low to high; bootstrap (scored / missing)', a dash without an interval; the counts alone
    where no row has an interval (not `some`)."""
    counts = f"{row[f'{score}_n']} / {row[f'{score}_missing']}"
    if not some:
        return counts
    low, high = row[f"{score}_lo"], row[f"{score}_hi"]
    span = EMPTY if low is None else f"{low:.3f} to {high:.3f}"
    drawn = ""
    if row.get(f"{score}_boot_lo") is not None:
        drawn = "; {:.3f} to {:.3f}".format(row[f"{score}_boot_lo"], row[f"{score}_boot_hi"])
    return f"{span}{drawn} ({counts})"


def _about(
    verdicts: list[Verdict],
    replies: list[Path],
    systems: dict[str, ModelSpec | str],
    made_up: set[str],
) -> list[str]:
    """What a reader must know about this run's rows before comparing them with printed ones."""
    notes = []
    for judge in sorted({bearing(verdict.judge) for verdict in verdicts} - {JUDGE}):
        notes.append(
            f"Scores that are not printed are by the judge `{judge}`, not by the paper's "
            f"({JUDGE}): compare systems within a source, not numbers between sources."
        )
    judged: dict[tuple[str, str], set[str]] = {}
    for verdict in verdicts:
        judged.setdefault((verdict.system, verdict.language), set()).add(bearing(verdict.judge))
    for (system, language), judges in judged.items():
        if len(judges) > 1:
            told = f"{system} ({language}) has scores of {len(judges)} judges ({', '.join(judges)})"
            notes.append(f"{told}: a row each, as scores of different judges are never mixed.")
            print(f"warning: {notes[-1]}")
    voices: dict[str, set[str]] = {}
    for reply in read_all(replies, Reply):
        voices.setdefault(reply.system, set()).add(reply.voice_mode)
    for name, spec in systems.items():
        shown = as_printed(name)
        stand_in = " It is a small stand-in, not a system of the paper." if name in DEMO else ""
        matched = "matched" in voices.get(name, ())
        voice = " Its voices are the nearest of its TTS (voice matching), not cloned."
        notes.append(f"`{shown}` = {describe(spec)}.{stand_in}{voice if matched else ''}")
    items = {verdict.id for verdict in verdicts}
    if items & made_up:
        notes.append(
            f"{len(items & made_up)} of this run's {len(items)} test items are of roles whose "
            "voice or script is synthetic."
        )
    return notes

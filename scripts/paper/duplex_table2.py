"""Duplex Table 2: turn taking by Full-Duplex-Bench's measures (PersonaPlex, Table 2), and those of
its version 1.5, which the paper does not print."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts.duplex.measuring import label_of
from scripts.duplex.transcribe_duplex import OWN_TEXT
from scripts.paper.report.duplex_overlaps import NOTE, overlap_sections, shares
from scripts.paper.report.duplex_summary import Summary, cell, rater_told, spread, summaries
from scripts.paper.report.layout import Section, write_table
from scripts.paper.report.published import read_published
from scripts.rows.duplex import DuplexItem, DuplexScore
from scripts.rows.jsonl import read_all
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

HEADER = [
    *("source", "system", "collection", "task", "metric", "form", "by"),
    *("value", "low", "high", "n", "missing", "reason"),
]
PRINTED = {  # column of the printed table -> task, metric, heading
    "pause_synthetic_tor": ("pause", "takeover", "pause (synthetic): takeover"),
    "pause_candor_tor": ("pause", "takeover", "pause (Candor): takeover"),
    "backchannel_tor": ("backchannel", "takeover", "backchannel: takeover"),
    "backchannel_freq": ("backchannel", "backchannel_frequency", "backchannel: a second"),
    "backchannel_jsd": ("backchannel", "backchannel_distance", "backchannel: distance"),
    "turn_tor": ("turn", "takeover", "turn: takeover"),
    "turn_latency_s": ("turn", "response_latency", "turn: latency, s"),
    "interruption_tor": ("interruption", "takeover", "interruption: takeover"),
    "interruption_gpt4o": ("interruption", "reply_score", "interruption: reply, 0 to 5"),
    "interruption_latency_s": ("interruption", "interruption_latency", "interruption: latency, s"),
}
RUN = {  # task, metric -> heading
    ("pause", "takeover"): "pause: takeover",
    **{(task, metric): heading for task, metric, heading in list(PRINTED.values())[2:]},
}
TIMING = {
    "stop_latency": "stops after, s",
    "interrupted": "interrupted",
    "kept_talking": "went on",
    "false_starts": "false starts",
    "gap": "gaps, s",
    "overlap": "overlaps, s",
}
FORMS = {
    "official": "This run, by the published rules (scripts/duplex/fdb_official.py)",
    "corrected": "This run, with the rules' defects mended (scripts/duplex/fdb_corrected.py)",
}
NOTES = [
    "Takeover is the share of items in which the system takes the floor: wanted after a turn's end "
    "and an interruption, a fault in a pause and during a story. It is not averaged over tasks.",
    "In brackets: items with a value of all, where some have none; the reasons are in "
    "results/duplex/scores, the commonest in the csv, as are intervals (95 %, by scenario).",
    "Gaps and overlaps: median, and the 10th and 90th percentile, of all changes of the floor.",
    "Printed rows are of other recordings, another recogniser and judge. The released model is not "
    "the one of the paper's row: a run of it is to be compared with its card's. The controls "
    "`silent`, `always_talking` and `echo` show where a measure puts systems that do not listen.",
]


def duplex_table2(
    published: Path,
    item_rows: list[Path],
    scores: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    measuring: dict[str, Any],
) -> None:
    """The printed rows, and this run's by collection: in both forms, by what measured takeover, how
    turns follow each other, and what systems do when something overlaps them. A note counts the
    items of `item_rows` that nothing was scored of.

    `measuring` has the specs of what measured: asr (a list), vad, speakers, llm. csv: a row a
    system, collection, task, measure, form and what it was measured `by`.
    """
    printed = read_published(published)
    scored = [row for row in read_all(scores, DuplexScore) if row.task != "service"]
    found = summaries([*scored, *shares(scored)])
    recognisers = [label_of(spec) for spec in measuring["asr"]]
    judge = label_of(measuring["llm"]) if isinstance(measuring["llm"], ModelSpec) else None
    first = [recognisers[0], "activity", judge]
    sections = [
        Section(
            [row | {"row": f"{row['system']} ({row['row_source']})"} for row in printed],
            {"row": "printed"} | {key: heading for key, (_, _, heading) in PRINTED.items()},
            "Printed",
        )
    ]
    for form, title in FORMS.items():
        columns = {"system": "system", "collection": "collection"}
        columns |= {f"{task} {metric}": heading for (task, metric), heading in RUN.items()}
        chosen = [one for one in found if one.form == form and (one.task, one.metric) in RUN]
        sections.append(Section(wide(chosen, first), columns, title))
    sections.append(by_measurer(found, recognisers))
    sections.append(timing(found))
    sections += overlap_sections(found)
    about = (
        f"Measured with: recognisers {', '.join(recognisers)}, of which the first fills the tables "
        f"above; voice activity by {label_of(measuring['vad'])}; replies rated by {judge}."
    )
    told = [rater_told(llm)] if isinstance(llm := measuring["llm"], ModelSpec) else []
    write_table(
        [*map(_printed, *_cells(printed)), *(_row(one) for one in found)],
        table_csv,
        table_md,
        table_tex,
        "Duplex Table 2: taking turns",
        [about, *told, *NOTES, NOTE, *left_out(read_all(item_rows, DuplexItem))],
        sections=sections,
        header=HEADER,
    )


def left_out(items: Iterable[DuplexItem]) -> list[str]:
    """A sentence on the items that could not be used, by collection; none if all could."""
    dropped: dict[str, list[bool]] = {}
    for item in items:
        dropped.setdefault(item.collection, []).append(item.dropped is not None)
    some = [f"{name}: {sum(own)} of {len(own)}" for name, own in dropped.items() if any(own)]
    told = (
        "Items that could not be used and are in no number above (reasons: results/duplex/items): "
    )
    return [f"{told}{'; '.join(some)}."] if some else []


def wide(found: Iterable[Summary], first: list[str | None]) -> list[dict[str, Any]]:
    """A row a system and collection, a column a task and measure, by the first that measured it."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    rank = {by: place for place, by in enumerate(first)}
    best: dict[tuple[str, str, str], int] = {}
    for one in found:
        if one.by not in rank:
            continue
        row = rows.setdefault(
            (one.system, one.collection), {"system": one.system, "collection": one.collection}
        )
        key = f"{one.task} {one.metric}"
        if rank[one.by] < best.get((one.system, one.collection, key), len(first)):
            best[one.system, one.collection, key] = rank[one.by]
            row[key] = cell(one)
    return list(rows.values())


def by_measurer(found: list[Summary], recognisers: list[str]) -> Section:
    """Takeover by what it was measured with, and the mean spread within an item."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for one in found:
        if one.metric in ("takeover", "takeover_spread"):
            about = {key: getattr(one, key) for key in ("system", "collection", "task", "form")}
            row = rows.setdefault(tuple(about.values()), about)
            row["spread" if one.metric == "takeover_spread" else one.by] = cell(one)
    columns = {key: key for key in ("system", "collection", "task", "form")}
    columns |= {by: by for by in [*recognisers, OWN_TEXT, "activity"]} | {"spread": "spread"}
    return Section(list(rows.values()), columns, "Takeover, by what it is measured with")


def timing(found: list[Summary]) -> Section:
    """Stops, false starts, gaps and overlaps."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for one in found:
        if one.metric in TIMING and one.form == "corrected":
            about = {key: getattr(one, key) for key in ("system", "collection", "task")}
            shown = spread(one) if one.metric in ("gap", "overlap") else cell(one)
            rows.setdefault(tuple(about.values()), about)[one.metric] = shown
    columns = {key: key for key in ("system", "collection", "task")} | TIMING
    return Section(list(rows.values()), columns, "Two tracks of activity")


def _cells(printed: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Each printed cell that is not empty: its row and its column."""
    cells = [(row, key) for row in printed for key in PRINTED if row[key] != ""]
    return [row for row, _ in cells], [key for _, key in cells]


def _printed(row: dict[str, Any], key: str) -> dict[str, Any]:
    task, metric, heading = PRINTED[key]
    return {
        "source": f"printed: {row['row_source']}",
        "system": row["system"],
        "collection": "fdb, Candor" if "candor" in key else "fdb",
        "task": task,
        "metric": metric,
        "form": "official",
        "by": "gpt-4o" if metric == "reply_score" else "",
        "value": row[key],
    }


def _row(one: Summary) -> dict[str, Any]:
    return {"source": "run"} | {key: getattr(one, key) for key in HEADER[1:]}


if __name__ == "__main__":
    stage.run(duplex_table2, globals().get("snakemake"))

"""The judge audit: how a judge's scores react to changes that should not matter.

Each probe (scripts/judging/probe.py) is compared with the same item's `base`. A trustworthy judge
gives a reply and itself equal scores, repeats its scores for the same pair, keeps them when the
sides are swapped, and ignores loudness, silence, padding and injected instructions.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.judging.probe import choose, complete_replies
from scripts.paper.report.expected import Expected, completed_probes
from scripts.paper.report.layout import Section, write_table
from scripts.paper.report.probe_statistics import (
    Pair,
    again,
    both_ways,
    incomparable,
    key,
    order_effect,
    same_reply,
    shifts,
)
from scripts.paper.report.published import STAND_IN, stand_ins, with_printed
from scripts.paper.report.scores import ratio
from scripts.paper.report.statistics import ENOUGH, FEWEST
from scripts.paper.report.versioned_verdicts import by_version, read_verdicts
from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import read_all
from scripts.rows.judging import Probe, Verdict
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

CHANGED = {
    "louder": "reply 6 dB louder",
    "quieter": "reply 6 dB quieter",
    "silence": "1 s of silence before the reply",
    "longer": "a sentence more, of no content",
    "spoken": "spoken order to give ten",
    "written": "written order to give ten",
}
CHECKS = {
    "identical": "reply against itself: equal",
    "again": "asked again: unchanged",
    "swapped": "sides swapped: same winner",
    "both orders": "both orders, all verdicts: same winner",
}
ALL = "all"  # metrics
VALUES = [
    *("shift", "shift_lo", "shift_hi", "reference_shift", "unchanged", "within_1"),
    *("agree", "mean_abs", "sd", "gap", "gap_lo", "gap_hi"),
]
HEADER = ["judge", "probe", "metric", "items", "roles", "n", "missing", *VALUES]
COLUMNS = {"judge": "Judge", "label": "What was done", "n": "Scores", "missing": "Missing"}
SHIFTS = COLUMNS | {
    **{"shift": "Shift", "shift_lo": "95 % from", "shift_hi": "to"},
    **{"reference_shift": "Reference", "unchanged": "Unchanged", "within_1": "Within 1"},
}
AGREES = COLUMNS | {
    **{"agree": "Share", "mean_abs": "Mean difference", "sd": "SD"},
    **{"gap": "A - B", "gap_lo": "95 % from", "gap_hi": "to"},
}
NOTES = [
    "Shift: the mean change of the score of the system's reply against the pair as it is, in "
    "points from 1 to 10; reference: that of the other side, to which nothing was done (a written "
    "order asks ten points for both). Unchanged, within 1: shares of the reply's scores that moved "
    "by nothing, and by one point at most.",
    "Share: of answers that are as they should be. Mean difference, without sign: between both "
    "sides where a reply is judged against itself, between the reply's two scores where it is "
    "judged again (where the order of the sides is drawn at random, it is drawn again too). SD: "
    "the standard deviation of one asking, from those two. A - B: the points that a side gains by "
    "being A, from the same pair in both orders; 0 is no preference.",
    f"Intervals: 95 %, t of role means; none with fewer than {FEWEST} roles.",
]
OF_STAND_INS = (
    "It measures each side by itself, so that the checks of order and identity cannot fail. A "
    "written order costs it SF: it reads the reply's text too, and what nobody says in the audio "
    "counts as an error of speech."
)


def judge_audit(
    probes: list[Path],
    verdicts: list[Path],
    replies: list[Path],
    test: list[Path],
    spoken: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    judges: dict[str, ModelSpec],
    number: int,
    about_judge: list[str],
    expected: dict[str, list[str]],
) -> None:
    """One csv row a judge, probe and metric, and one for all metrics; columns: HEADER.

    `probes` are the Probe rows of the `judges` (specs by name), `verdicts` all of their Verdict
    rows, from which positional preference is taken where a judge was asked in both orders.
    `replies`, `test` and `spoken` are rows of what `number` items were chosen from; `about_judge`
    and `expected` as in table2. A comparison without one of its scores is counted in `missing`, in
    no figure.
    """
    wanted = Expected(test, **expected)
    chosen = _chosen(replies, test, spoken, number)
    given, gone = completed_probes(read_all(probes, Probe), chosen, wanted)
    asked, judged = by_version(given, gone), read_verdicts(verdicts, wanted)
    metrics = (*with_printed(expected["metrics"]), ALL)
    rows: list[dict[str, Any]] = []
    missing: Counter = Counter()
    for judge in dict.fromkeys(row.judge for row in asked.verdicts):
        own = [row for row in asked.verdicts if row.judge == judge]
        base = {key(row): row for row in own if row.probe == "base"}
        for name in (*CHANGED, "identical", "again", "swapped"):
            pairs = [(base.get(key(row)), row) for row in own if row.probe == name]
            rows += _rows(judge, name, pairs, metrics)
            missing.update((judge, name, why) for why in map(incomparable, pairs) if why)
    for judge in dict.fromkeys(row.judge for row in judged.verdicts):
        rows += _orders([row for row in judged.verdicts if row.judge == judge], metrics)
    label = CHANGED | CHECKS
    total = [row | {"label": label[row["probe"]]} for row in rows if row["metric"] == ALL]
    sections = [
        Section(
            [row for row in total if row["probe"] in CHANGED], SHIFTS, "What should not matter", 2
        ),
        Section(
            [row for row in total if row["probe"] in CHECKS], AGREES, "Identity, time and order", 2
        ),
        _by_metric(rows, metrics[:-1]),
    ]
    if missing:
        lost = [
            {"judge": judge, "label": label[name], "why": why, "n": n}
            for (judge, name, why), n in missing.items()
        ]
        columns = {"judge": "Judge", "label": "What was done", "why": "Reason", "n": "Scores"}
        sections.append(Section(lost, columns, "Missing"))
    write_table(
        rows,
        table_csv,
        table_md,
        table_tex,
        _title(judges),
        [
            *about_judge,
            *_about(asked.verdicts, judges),
            *(NOTES if rows else ()),
            *(*asked.notes, *judged.notes),
        ],
        sections=sections,
        header=HEADER,
    )


def _chosen(
    replies: list[Path], test: list[Path], spoken: list[Path], number: int
) -> list[tuple[Dialogue, str]]:
    """The probed items: test dialogue and system."""
    folders = [[path.with_suffix("") for path in paths] for paths in (replies, spoken)]
    whole = complete_replies(replies, folders[0], test, spoken, folders[1])
    return [(item.dialogue, item.reply.system) for item in choose(whole, number)]


def _rows(
    judge: str, probe: str, pairs: list[Pair], metrics: Sequence[str]
) -> list[dict[str, Any]]:
    """The rows of a probe: a metric each; `ALL` is one for all."""
    figures = {"identical": same_reply, "again": again}.get(probe, shifts)
    rows = []
    for metric in metrics:
        chosen = [pair for pair in pairs if metric in (ALL, pair[1].metric)]
        whole = [pair for pair in chosen if not incomparable(pair)]
        found: dict[str, Any] = {}
        if whole and probe == "swapped":
            both = both_ways(row for pair in whole for row in pair if row)
            found = order_effect(both) if both else {}
        elif whole:
            found = figures(whole)
        rows.append(_row(judge, probe, metric, [row for _, row in chosen], len(whole)) | found)
    return rows


def _orders(verdicts: list[Verdict], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a judge that was asked in both orders; none for others."""
    rows = []
    for metric in metrics:
        chosen = [v for v in verdicts if metric in (ALL, v.metric) and v.trials]
        found = both_ways(chosen)
        if found:
            row = _row(chosen[0].judge, "both orders", metric, chosen, len(found))
            lost = [v for v in verdicts if metric in (ALL, v.metric) and v.offered]
            lost = [v for v in lost if ratio(v) is None]
            rows.append(row | {"missing": len(lost)} | order_effect(found))
    return rows


def _row(judge: str, probe: str, metric: str, rows: list, n: int) -> dict[str, Any]:
    return dict.fromkeys(HEADER) | {
        **{"judge": judge, "probe": probe, "metric": metric},
        "items": len({(row.system, row.id) for row in rows}),
        "roles": len({row.role for row in rows}),
        **{"n": n, "missing": len(rows) - n},
    }


def _by_metric(rows: list[dict[str, Any]], metrics: Sequence[str]) -> Section:
    """Shifts with a column a metric."""
    lines: dict[tuple, dict[str, Any]] = {}
    for row in rows:
        if row["probe"] in CHANGED and row["metric"] != ALL:
            place = {"judge": row["judge"], "label": CHANGED[row["probe"]]}
            line = lines.setdefault((row["judge"], row["probe"]), place)
            line[row["metric"]] = row["shift"]
    columns = {"judge": "Judge", "label": "What was done"} | {m: m for m in metrics}
    return Section(list(lines.values()), columns, "Shift, metric by metric", 2)


def _title(judges: dict[str, ModelSpec]) -> str:
    embedded = all(spec.backend == STAND_IN for spec in judges.values())
    return "Judge audit" + (
        " of the embedded stand-in, not of the paper's judge" if embedded else ""
    )


def _about(probes: list[Probe], judges: dict[str, ModelSpec]) -> list[str]:
    """Notes on the judges, the probes and the small sample."""
    notes = [f"{note} {OF_STAND_INS}" for note in stand_ins(judges)]
    if not probes:
        return [*notes, "Nothing was asked: `judge_audit.items` is 0, or no system replied."]
    items = {(row.system, row.id): row for row in probes}
    systems, roles = ({getattr(row, key) for row in items.values()} for key in ("system", "role"))
    few = len(roles) < ENOUGH
    notes.append(
        f"Number of items {len(items)}, of systems {len(systems)}, of roles {len(roles)}, of "
        f"metrics {len({row.metric for row in probes})}: scores of one item are not independent."
        + (" So few show only large faults; what they do not show is not ruled out." if few else "")
    )
    lowered = {(row.system, row.id): row.note for row in probes if row.note}
    if lowered:
        notes.append(
            f"6 dB louder: in {len(lowered)} of {len(items)} items both sides were lowered first, "
            "so that nothing is clipped: there it is 6 dB louder beside the reference only."
        )
    return notes


if __name__ == "__main__":
    stage.run(judge_audit, globals().get("snakemake"))

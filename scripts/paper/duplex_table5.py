"""Duplex Table 5: how much training data is used (PersonaPlex, Table 5)."""

import json
from pathlib import Path
from typing import Any

from scripts.common.errors import UserError
from scripts.duplex.measuring import label_of
from scripts.paper.report.duplex_summary import Summary, cell, rater_told, summaries
from scripts.paper.report.layout import Section, write_table
from scripts.paper.report.published import read_published
from scripts.rows.duplex import DuplexScore
from scripts.rows.jsonl import read_all
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

HEADER = [
    *("source", "data_percent", "system", "collection", "metric", "form", "by"),
    *("value", "low", "high", "n", "missing"),
]
CARD = "card.json"
ALL = "all"  # tasks
METRICS = {"similarity": ALL, "reply_score": "interruption", "task_adherence": "service"}
PRINTED = {
    "ssim": ("similarity", "wavlm-tdnn", "similarity"),
    "fdb_gpt4o": ("reply_score", "gpt-4o", "replies to interruptions"),
    "sdb_gpt4o": ("task_adherence", "gpt-4o", "task adherence of service roles"),
}


def duplex_table5(
    published: Path,
    adapters: list[Path],
    scores: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    systems: list[str],
    bases: list[str],
    speakers: list[ModelSpec],
    asr: list[ModelSpec],
    llm: ModelSpec,
) -> None:
    """The printed rows, and this run's systems by the share of the training data that their
    adapters have seen.

    The n-th of `adapters` is the folder of the n-th of `systems`; its card tells the share. `bases`
    are systems without any training for roles: 0 %. `llm` rated what the first of `asr` heard.
    Without any of them the table says `not run`. Raises UserError for an adapter without its share.
    """
    shares = {name: 0.0 for name in bases}
    shares |= {name: share_of(one) for name, one in zip(systems, adapters, strict=True)}
    rows = [row for row in read_all(scores, DuplexScore) if row.system in shares]
    rows = [row for row in rows if METRICS.get(row.metric) in (ALL, row.task)]
    found = summaries(rows, lambda row: METRICS[row.metric])
    found.sort(key=lambda one: (-shares[one.system], one.system))
    lines: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in found:
        about = {"data_percent": f"{shares[one.system]:g}", "system": one.system}
        about |= {"collection": one.collection, "form": one.form}
        line = lines.setdefault((one.system, one.collection, one.form), about)
        line[column(one)] = cell(one)
    titles = {f"similarity {label_of(one)}": f"similarity, {label_of(one)}" for one in speakers}
    titles |= {metric: title for metric, _, title in PRINTED.values() if metric != "similarity"}
    columns = {"data_percent": "% of the data", "system": "system"}
    columns |= {"collection": "collection", "form": "form"} | titles
    printed = read_published(published)
    shown = {"data_percent": "% of the data"} | {key: own[2] for key, own in PRINTED.items()}
    write_table(
        [*_printed(printed), *_run(found, shares)],
        table_csv,
        table_md,
        table_tex,
        "Duplex Table 5: how much training data is used",
        [
            "Printed: PersonaPlex trained on shares of 2,250 hours; 0 is Moshi.",
            rater_told(llm),
            f"This run: replies rated by {label_of(llm)}, reading what {label_of(asr[0])} heard; "
            "adapters of the rule finetune_duplex, each on a share of this run's own material. "
            "Material, judge and embedders are others than the paper's: only the rows of one part "
            "can be compared with each other.",
        ],
        sections=[
            Section(printed, shown, "Printed", digits=2),
            Section([*lines.values()] or [{"data_percent": "not run"}], columns, "This run"),
        ],
        header=HEADER,
    )


def share_of(adapter: Path) -> float:
    """How much of the training data an adapter has seen, in percent."""
    try:
        return float(json.loads((Path(adapter) / CARD).read_text("utf-8"))["data_percent"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{Path(adapter) / CARD} does not tell `data_percent`, the share of the training data "
            f"that the adapter has seen ({error!r}); add it, or leave the system out."
        ) from error


def column(one: Summary) -> str:
    """The column of a value: of each embedder there is one."""
    return f"similarity {one.by}" if one.metric == "similarity" else one.metric


def _printed(printed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"source": "printed", "data_percent": row["data_percent"], "metric": metric}
        | {"form": "official", "by": by, "value": row[key]}
        for row in printed
        for key, (metric, by, _) in PRINTED.items()
    ]


def _run(found: list[Summary], shares: dict[str, float]) -> list[dict[str, Any]]:
    same = ("system", "collection", "metric", "form", "by", "value", "low", "high", "n", "missing")
    return [
        {"source": "run", "data_percent": shares[one.system]}
        | {key: getattr(one, key) for key in same}
        for one in found
    ]


if __name__ == "__main__":
    stage.run(duplex_table5, globals().get("snakemake"))

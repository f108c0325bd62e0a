"""Duplex Table 1: naturalness, and likeness to the voice sample (PersonaPlex, Table 1)."""

from pathlib import Path
from typing import Any

from scripts.duplex.measuring import label_of
from scripts.paper.report.duplex_ratings import mean_opinion, read_sample_ratings
from scripts.paper.report.duplex_summary import cell, summaries
from scripts.paper.report.duplex_voices import voice_notes, voice_rows, voice_sections
from scripts.paper.report.layout import Section, write_table
from scripts.paper.report.published import read_published
from scripts.rows.duplex import Conversation, DuplexItem, DuplexScore
from scripts.rows.jsonl import read_all
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

HEADER = [
    *("source", "system", "collection", "metric", "form", "by"),
    *("value", "low", "high", "n", "missing", "role", "voice", "nearest"),
]
SUMMED = HEADER[1:11]  # what a summary has
PRINTED = {
    "dmos_fdb": "DMOS, Full-Duplex-Bench",
    "dmos_fdb_ci95": "±",
    "dmos_sdb": "DMOS, service",
    "dmos_sdb_ci95": "±",
    "ssim": "similarity",
}
METRICS = ("similarity", "voice_drift")


def duplex_table1(
    published: Path,
    ratings: Path,
    item_rows: list[Path],
    conversations: list[Path],
    scores: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    speakers: list[ModelSpec],
) -> None:
    """The printed rows; this run's by collection: people's ratings (config/duplex_ratings.tsv) and
    the similarity of voices, by each of `speakers`; the latter also by role and voice, and which
    voice sample of the collection outputs are nearest to.

    csv: a row a system, collection, measure, form and what it was measured `by`, some also by
    `role`, `voice` and `nearest` sample. Raises UserError for ratings of other conversations.
    """
    sides = read_all(conversations, Conversation)
    rated = read_sample_ratings(ratings, sides)
    rows: list[dict[str, Any]] = []
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for side in sides:
        about = {"system": side.system, "collection": side.collection}
        lines.setdefault((side.system, side.collection), about)
    for (system, collection), line in lines.items():
        own = [one for one in rated if (one.system, one.collection) == (system, collection)]
        if not own:
            continue
        mean, interval = mean_opinion(own)
        half = f" ± {interval[1] - mean:.2f}" if interval else ""
        line["dmos"] = f"{mean:.2f}{half} ({len(own)})"
        about = {"system": system, "collection": collection, "metric": "dmos", "by": "people"}
        low, high = interval or (None, None)
        rows.append(about | {"value": mean, "low": low, "high": high, "n": len(own), "missing": 0})
    scored, items = read_all(scores, DuplexScore), read_all(item_rows, DuplexItem)
    voices = [row for row in scored if row.metric in METRICS]
    for one in summaries(voices, lambda row: "all"):
        lines[one.system, one.collection][f"{one.metric} {one.form} {one.by}"] = cell(one)
        rows.append({key: getattr(one, key) for key in SUMMED})
    by_voice = voice_rows(scored, items)
    columns = {"system": "system", "collection": "collection", "dmos": "DMOS (ratings)"}
    for label in map(label_of, speakers):
        columns |= {
            f"similarity official {label}": f"{label}: cosine",
            f"similarity corrected {label}": f"{label}: 0 a stranger, 1 the same",
            f"voice_drift corrected {label}": f"{label}: drift",
        }
    printed = read_published(published)
    write_table(
        [*_printed(printed), *({"source": "run"} | row for row in [*rows, *by_voice])],
        table_csv,
        table_md,
        table_tex,
        "Duplex Table 1: naturalness and voice",
        [
            "Printed: DMOS from 1 to 5 by people of a marketplace, similarity as the cosine of a "
            "WavLM-TDNN's embeddings of voice sample and output.",
            "This run: "
            + (
                f"{len(rated)} ratings by {len({one.rater for one in rated})} raters, intervals "
                "over items. "
                if rated
                else "nobody has rated it (results/duplex/sheet is what raters hear; their scores "
                "go into config/duplex_ratings.tsv). "
            )
            + "Cosines are those of other embedders than the printed ones, so only the scale on "
            "which a stranger is 0 and the speaker's own other recording 1 may be compared. Drift "
            "is, on that scale, the last third of the speech less the first.",
            *voice_notes(items),
        ],
        sections=[
            Section(printed, {"system": "system"} | PRINTED, "Printed", digits=2),
            Section(list(lines.values()), columns, "This run"),
            *voice_sections(by_voice, items),
        ],
        header=HEADER,
    )


def _printed(printed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Printed cells as csv rows."""
    found = []
    for row in printed:
        for key, collection in (("dmos_fdb", "fdb"), ("dmos_sdb", "service")):
            half = row[f"{key}_ci95"]
            found.append(
                {"source": "printed", "system": row["system"], "collection": collection}
                | {"metric": "dmos", "by": "people", "value": row[key]}
                | {"low": row[key] - half, "high": row[key] + half}
            )
        about = {"source": "printed", "system": row["system"], "collection": "fdb"}
        about |= {"metric": "similarity", "form": "official", "by": "wavlm-tdnn"}
        found.append(about | {"value": row["ssim"]})
    return found


if __name__ == "__main__":
    stage.run(duplex_table1, globals().get("snakemake"))

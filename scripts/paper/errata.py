"""Disagreements between the paper's text and its data, with evidence; the end of its services."""

from pathlib import Path
from statistics import mean

from scripts.paper.report.layout import Section, write_table
from scripts.paper.report.published import LAST_DIGIT, PAPER_METRICS, read_published
from scripts.paper.report.statistics import spearman_p
from scripts.workflow import stage

COLUMNS = {"where": "Where", "printed": "Printed", "found": "Found", "evidence": "Evidence"}
ENDS = {"service": "Service", "used_for": "In the paper it", "end": "Its end", "date": "Date"}
ENDS |= {"source": "Source", "stands_in": "Stands in", "note": "Note"}
ENDS_NOTE = (
    "A service may end, or be routed to a successor under its old name. Every table says what "
    "answered, and scores by another model than the one that was asked for stand under its name."
)


def errata(
    table2: Path,
    table3: Path,
    table4: Path,
    published_roles: Path,
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    services: list[dict],
) -> None:
    """One row a disagreement. All but the last are computed from config/published. `services` are
    the rows of config/service_ends.tsv: a section of the page."""
    rows = [
        *_names(published_roles),
        *_overall(table2, "Table 2"),
        *_overall(table3, "Table 3"),
        _correlations(table4, table2),
        {
            "where": "Section 3.2",
            "printed": "whisper-medium-v3",
            "found": "no such checkpoint",
            "evidence": "Of OpenAI's Whisper only the large model has a version 3; medium has one "
            "multilingual and one English checkpoint.",
        },
    ]
    title = "Errata: where text and data disagree"
    sections = [Section(rows, COLUMNS), Section(services, ENDS, "The services of the paper")]
    outputs = (table_csv, table_md, table_tex)
    write_table(rows, *outputs, title, [ENDS_NOTE], columns=COLUMNS, sections=sections)


def _names(path: Path) -> list[dict[str, str]]:
    """Roles whose printed name differs from the released data."""
    return [
        {
            "where": f"Table {6 if number < 50 else 7}, row {number + 1}",
            "printed": row["role_as_printed"],
            "found": row["role"],
            "evidence": "The released dialogues, profiles and voices spell it so.",
        }
        for number, row in enumerate(read_published(path))
        if row["role_as_printed"] != row["role"]
    ]


def _overall(path: Path, table: str) -> list[dict[str, str]]:
    """Printed overall scores that are not the mean of their cells, rounded to three decimals."""
    found = []
    for row in read_published(path):
        cells = mean(row[metric] for metric in PAPER_METRICS)
        # Each cell may be off by half its last digit, and so may their mean.
        if abs(row["overall"] - cells) > LAST_DIGIT:
            names = [row["language"], row.get("domain", ""), row["system"], "overall"]
            found.append(
                {
                    "where": ", ".join([table, *filter(None, names)]),
                    "printed": f"{row['overall']:.3f}",
                    "found": f"{cells:.4f}",
                    "evidence": "The mean of the eight printed cells. Half a unit of the last "
                    "digit can come from the rounding of the cells.",
                }
            )
    return found


def _correlations(table4: Path, table2: Path) -> dict[str, str]:
    """Section 5.4 speaks of strong correlations."""
    people = {row["metric"]: row for row in read_published(table4)}
    judge = {row["system"]: row for row in read_published(table2) if row["language"] == "Chinese"}
    names = [name for name in people["IA"] if name in judge]
    p_values = {
        metric: spearman_p([people[metric][n] for n in names], [judge[n][metric] for n in names])
        for metric in PAPER_METRICS
    }
    known = {metric: p for metric, p in p_values.items() if p is not None}
    least = min(known, key=known.__getitem__)
    few = sum(p < 0.05 for p in known.values())
    return {
        "where": "Section 5.4, Table 5",
        "printed": "strong correlations",
        "found": f"{few or 'none'} of {len(PAPER_METRICS)} significant at .05",
        "evidence": f"Exact permutation test over n = {len(names)} systems; the least p is "
        f"{p_values[least]:.3f} ({least}).",
    }


if __name__ == "__main__":
    stage.run(errata, globals().get("snakemake"))

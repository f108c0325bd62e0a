"""Printed against recomputed figures, cell by cell, from published material."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from scripts.paper.report.expected import Expected
from scripts.paper.report.layout import Section, write_table
from scripts.paper.report.published import PAPER_METRICS, read_published
from scripts.paper.report.released import read_scores
from scripts.paper.report.scores import score_rows, with_overall
from scripts.paper.report.statistics import spearman
from scripts.rows.jsonl import given
from scripts.workflow import stage

HEADER = [
    *("table", "language", "domain", "system", "cell", "printed", "recomputed", "difference"),
    *("tolerance", "agrees", "origin"),
]
COLUMNS = {
    **{"table": "Table", "language": "Language", "domain": "Domain", "system": "System"},
    **{"cell": "Cell", "printed": "Printed", "recomputed": "Recomputed"},
    **{"difference": "Difference", "agrees": "Agrees"},
}
SCORES = with_overall(PAPER_METRICS)
ROUNDED = 0.00055  # two figures of three decimals, each rounded either way
FROM_CELLS = 0.001  # a mean of rounded cells


def compare(
    table1: Path,
    table2: Path,
    table3: Path,
    table4: Path,
    table5: Path,
    published_roles: Path,
    released: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    roles: list[dict],
    metrics: Sequence[str] = (),
) -> None:
    """Every printed cell that can be recomputed from `released` scores or other printed cells.

    The tables are those of config/published; `metrics` are the names that released scores may use.
    A difference above the cell's tolerance is red.
    """
    counts = {(r["language"], r["pool"]): 0 for r in read_published(published_roles)}
    for row in read_published(published_roles):
        counts[row["language"], row["pool"]] += 1
    scores = read_scores([], released, published_roles, roles, Expected(metrics=metrics))
    rows = [
        *_from_scores(table2, table3, scores.verdicts),
        *_overall(table2, "Table 2"),
        *_overall(table3, "Table 3"),
        *_from_domains(table2, table3, counts),
        *_correlations(table5, table4, table2),
        *_sums(table1, counts),
    ]
    red = [row for row in rows if not row["agrees"]]
    largest = max(rows, key=lambda row: row["difference"] / row["tolerance"])
    notes = [
        f"{len(rows)} cells were computed again; in {len(red) or 'none'} of them the difference "
        "is larger than the tolerance. The largest "
        f"difference, measured by its tolerance, is {largest['difference']:.4f}: "
        f"{_name(largest)}, printed {largest['printed']}, recomputed {largest['recomputed']:.4f}.",
        f"Tolerance: {ROUNDED} for a cell from scores, {FROM_CELLS} for one from printed cells.",
    ]
    sections = [
        Section([row for row in rows if row["origin"] == origin], COLUMNS, origin, 4, red=True)
        for origin in dict.fromkeys(row["origin"] for row in rows)
    ]
    title = "Printed figures, computed again"
    write_table(
        rows, table_csv, table_md, table_tex, title, notes, sections=sections, header=HEADER
    )
    for row in red:
        print(f"{_name(row)}: printed {row['printed']}, recomputed {row['recomputed']:.4f}")


def _row(place: dict[str, Any], cell: str, shown: float, found: float, tolerance: float) -> dict:
    difference = abs(shown - found)
    return {
        **dict.fromkeys(HEADER),
        **place,
        **{"cell": cell, "printed": shown, "recomputed": found, "difference": difference},
        **{"tolerance": tolerance, "agrees": difference <= tolerance},
    }


def _name(row: dict[str, Any]) -> str:
    parts = [row[key] for key in ("table", "language", "domain", "system", "cell")]
    return ", ".join(part for part in parts if part)


def _place(table: str, row: dict[str, Any], origin: str) -> dict[str, Any]:
    where = {"language": row.get("language"), "domain": row.get("domain", "all")}
    return {"table": table, "origin": origin, "system": row.get("system")} | where


def _from_scores(table2: Path, table3: Path, verdicts: list) -> list[dict]:
    """Rows of Tables 2 and 3 whose system has scores, all nine cells."""
    found = []
    for path, name, domains in (
        (table2, "Table 2", ["all"]),
        (table3, "Table 3", ["in_domain", "out_of_domain"]),
    ):
        shown = {
            (r["language"], r.get("domain", "all"), r["system"]): r for r in read_published(path)
        }
        for row in score_rows(verdicts, domains):
            place = shown.get((row["language"], row["domain"], row["system"]))
            for cell in SCORES:
                if place and row[cell] is not None:
                    at = _place(name, row, f"From released scores (judge: {row['judge']})")
                    found.append(_row(at, cell, place[cell], row[cell], ROUNDED))
    return found


def _overall(path: Path, table: str) -> list[dict]:
    """Each printed overall and the mean of its eight printed cells."""
    origin = f"Overall of {table} from its eight cells"
    return [
        _row(
            _place(table, row, origin),
            "overall",
            row["overall"],
            mean(row[metric] for metric in PAPER_METRICS),
            FROM_CELLS,
        )
        for row in read_published(path)
    ]


def _from_domains(table2: Path, table3: Path, counts: dict[tuple[str, str], int]) -> list[dict]:
    """Rows of Table 2 whose system is in Table 3: its two domains, weighted by their roles."""
    pools = {"in_domain": "train", "out_of_domain": "out_of_domain"}
    parts = {(r["language"], r["system"], r["domain"]): r for r in read_published(table3)}
    found = []
    for row in read_published(table2):
        language, system = row["language"], row["system"]
        if all((language, system, domain) in parts for domain in pools):
            weights = {domain: counts[language, pool] for domain, pool in pools.items()}
            for cell in SCORES:
                total = sum(parts[language, system, d][cell] * n for d, n in weights.items())
                at = _place("Table 2", row, "Table 2 from the domains of Table 3, by roles")
                found.append(_row(at, cell, row[cell], total / sum(weights.values()), FROM_CELLS))
    return found


def _correlations(table5: Path, table4: Path, table2: Path) -> list[dict]:
    """Table 5 from Table 4 and the Chinese half of Table 2."""
    people = {row["metric"]: row for row in read_published(table4)}
    judge = {row["system"]: row for row in read_published(table2) if row["language"] == "Chinese"}
    found = []
    for row in read_published(table5):
        metric = row["metric"]
        names = [name for name in people[metric] if name in judge]
        rho = given(spearman([people[metric][n] for n in names], [judge[n][metric] for n in names]))
        at = _place("Table 5", {"language": "Chinese"}, "Table 5 from Tables 4 and 2")
        found.append(_row(at, metric, row["spearman_rho"], rho, ROUNDED))
    return found


def _sums(table1: Path, counts: dict[tuple[str, str], int]) -> list[dict]:
    """Table 1's sums from its parts, and its characters from the list of roles."""
    pools = {pool: sum(n for (_, p), n in counts.items() if p == pool) for _, pool in counts}
    pools["test"] = sum(counts.values())
    found = []
    for row in read_published(table1):
        at = _place("Table 1", {"domain": row["split"]}, "Table 1 from its parts and Tables 6, 7")
        parts = {
            "characters": pools[row["split"]],
            "samples": row["single_turn"] + row["multi_turn"],
            "speech_hours": row["user_hours"] + row["character_hours"],
        }
        for cell, value in parts.items():
            # Hours are printed with two decimals, and so are their two summands.
            found.append(_row(at, cell, row[cell], value, 0.011 if "hours" in cell else ROUNDED))
    return found


if __name__ == "__main__":
    stage.run(compare, globals().get("snakemake"))

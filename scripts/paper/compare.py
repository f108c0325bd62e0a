"""Printed against recomputed figures, cell by cell, from published material."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from scripts.paper.report.expected import Expected
from scripts.paper.report.layout import Section, write_table
from scripts.paper.report.published import LAST_DIGIT, PAPER_METRICS, read_published
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
ORIGINS = {
    "domains": "Table 2 from the domains of Table 3, by roles (table3.tsv, roles.tsv)",
    "ranks": "Table 5 from Tables 4 and 2 (table4.tsv, table2.tsv)",
    "sums": "Table 1 from its parts and Tables 6, 7 (table1.tsv, roles.tsv)",
}
NAMED = 5  # score files that are named one by one


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
    A difference above the cell's tolerance is red. Scores that are not whole are compared with
    nothing, and named.
    """
    counts = {(r["language"], r["pool"]): 0 for r in read_published(published_roles)}
    for row in read_published(published_roles):
        counts[row["language"], row["pool"]] += 1
    scores = read_scores([], released, published_roles, roles, Expected(metrics=metrics))
    found, gaps = _from_scores(table2, table3, scores.verdicts, _named(released))
    rows = [
        *found,
        *_overall(table2, "Table 2"),
        *_overall(table3, "Table 3"),
        *_from_domains(table2, table3, counts),
        *_correlations(table5, table4, table2),
        *_sums(table1, counts),
    ]
    printed = {f"Table {n}": path for n, path in enumerate((table1, table2, table3), start=1)}
    printed |= {"Table 4": table4, "Table 5": table5}
    sections = []
    for origin in dict.fromkeys(row["origin"] for row in rows):
        own = [_as_printed(row) for row in rows if row["origin"] == origin]
        used = {key: name for key, name in COLUMNS.items() if any(row[key] for row in own)}
        sections.append(Section(own, used, origin, red=True))
    title = "Printed figures, computed again"
    notes = [*_counted(rows, printed), *gaps, *scores.notes]
    write_table(
        rows, table_csv, table_md, table_tex, title, notes, sections=sections, header=HEADER
    )
    for row in rows:
        if not row["agrees"]:
            print(f"{_name(row)}: printed {row['printed']}, recomputed {row['recomputed']:.4f}")


def _counted(rows: list[dict], printed: dict[str, Path]) -> list[str]:
    """How many of the printed cells were computed again, of which table, and which disagree."""
    cells = {
        name: sum(
            isinstance(value, int | float) for row in read_published(path) for value in row.values()
        )
        for name, path in printed.items()
    }
    again = [_name(row) for row in rows]
    parts = [
        f"{len({name for name in again if name.startswith(f'{table},')})} of {number} of {table} "
        f"(config/published/{printed[table].name})"
        for table, number in cells.items()
    ]
    red = [row for row in rows if not row["agrees"]]
    listed = "; ".join(
        f"{_name(row)}, printed {_as_printed(row)['printed']}, recomputed {row['recomputed']:.4f}"
        for row in red
    )
    differ = f"Out of tolerance, and red, {len(red)} of {len(rows)}: {listed}." if red else ""
    return [
        f"{len(set(again))} of the {sum(cells.values())} printed cells of Tables 1 to 5 were "
        f"computed again, some in two ways: {len(rows)} comparisons. {', '.join(parts)}. The "
        "others need scores that were not released.",
        differ or "Each comparison is within its tolerance.",
        f"Tolerance: {ROUNDED} for a cell from scores, {FROM_CELLS} for one from cells of other "
        "tables, half a unit of the last digit for an overall from its eight cells, as on the page "
        "errata.",
    ]


def _as_printed(row: dict[str, Any]) -> dict[str, Any]:
    """A row for people: both figures with the decimals that the paper prints."""
    if isinstance(row["printed"], int):
        return row
    digits = 2 if "hours" in row["cell"] else 3
    told = {key: f"{row[key]:.{digits}f}" for key in ("printed", "recomputed")}
    return row | told | {"difference": f"{row['difference']:.4f}"}


def _named(released: list[Path]) -> str:
    """The released files: tables by name, folders of the authors' layout by their systems."""
    tables = [path.name for path in released if path.suffix.lower() != ".json"]
    items = [path.parent.parent.name for path in released if path.suffix.lower() == ".json"]
    folders = [f"{name}/ ({items.count(name)} files)" for name in dict.fromkeys(items)]
    found = [*tables, *folders]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"{', '.join(found[:NAMED])}{more}"


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


def _from_scores(
    table2: Path, table3: Path, verdicts: list, files: str
) -> tuple[list[dict], list[str]]:
    """Rows of Tables 2 and 3 whose system has all scores, all nine cells; and a sentence on each
    system that lacks some: a mean over chosen items is not what is printed."""
    found, gaps = [], []
    for path, name, domains in (
        (table2, "Table 2", ["all"]),
        (table3, "Table 3", ["in_domain", "out_of_domain"]),
    ):
        shown = {
            (r["language"], r.get("domain", "all"), r["system"]): r for r in read_published(path)
        }
        for row in score_rows(verdicts, domains):
            place = shown.get((row["language"], row["domain"], row["system"]))
            there, lost = row["overall_n"], row["overall_missing"]
            if place and lost and row["domain"] == "all":
                gaps.append(
                    f"{row['system']} ({row['language']}): only {there} of {there + lost} scores "
                    "are there, so its rows are not compared."
                )
            if place is None or lost:
                continue
            at = _place(name, row, f"From released scores: {files} (judge: {row['judge']})")
            found += [
                _row(at, cell, place[cell], row[cell], ROUNDED)
                for cell in SCORES
                if row[cell] is not None
            ]
    return found, gaps


def _overall(path: Path, table: str) -> list[dict]:
    """Each printed overall and the mean of its eight printed cells."""
    origin = f"Overall of {table} from its eight cells ({path.name})"
    return [
        _row(
            _place(table, row, origin),
            "overall",
            row["overall"],
            mean(row[metric] for metric in PAPER_METRICS),
            LAST_DIGIT,
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
                at = _place("Table 2", row, ORIGINS["domains"])
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
        at = _place("Table 5", {"language": "Chinese"}, ORIGINS["ranks"])
        found.append(_row(at, metric, row["spearman_rho"], rho, ROUNDED))
    return found


def _sums(table1: Path, counts: dict[tuple[str, str], int]) -> list[dict]:
    """Table 1's sums from its parts, and its characters from the list of roles."""
    pools = {pool: sum(n for (_, p), n in counts.items() if p == pool) for _, pool in counts}
    pools["test"] = sum(counts.values())
    found = []
    for row in read_published(table1):
        at = _place("Table 1", {"domain": row["split"]}, ORIGINS["sums"])
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

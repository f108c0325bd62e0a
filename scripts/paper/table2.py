"""Table 2: scores of all systems on all test items of a language."""

from pathlib import Path

from scripts.common import stage
from scripts.common.records import Verdict, read_rows
from scripts.paper.ablation import ablation_section
from scripts.paper.comparison import write_comparison


def table2(
    published: Path,
    verdicts: list[Path],
    replies: list[Path],
    test: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    systems: dict[str, dict],
    ablations: dict[str, str],
) -> None:
    """Printed and run scores by language and system; ablations as a section of the page.

    `systems` holds the specs of this run's systems, `ablations` names for an ablated system the
    one it was made from. csv columns: scripts.paper.scores.HEADER, domain `all`.
    """
    rows = [row for path in verdicts for row in read_rows(path, Verdict)]
    write_comparison(
        published,
        rows,
        replies,
        test,
        systems,
        ["all"],
        (table_csv, table_md, table_tex),
        "Table 2: scores of all systems",
        sections=[ablation_section(rows, ablations)] if ablations else [],
    )


if __name__ == "__main__":
    stage.run(table2, globals().get("snakemake"))

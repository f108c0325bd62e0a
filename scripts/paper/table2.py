"""Table 2: scores of all systems on all test items of a language."""

from pathlib import Path

from scripts.paper.report.ablation import ablation_section
from scripts.paper.report.expected import Expected
from scripts.paper.report.item_counts import item_notes
from scripts.paper.report.published import read_published, with_printed
from scripts.paper.report.released import read_scores
from scripts.paper.report.systems_table import write_comparison
from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import read_all
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec


def table2(
    published: Path,
    verdicts: list[Path],
    released: list[Path],
    published_roles: Path,
    replies: list[Path],
    test: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    systems: dict[str, ModelSpec | str],
    roles: list[dict],
    max_missing: float,
    about_judge: list[str],
    expected: dict[str, list[str]],
    ablations: dict[str, str],
    only: dict | None = None,
) -> None:
    """Printed and run scores by language and system; ablations as a section of the page, the number
    of items and why it is not the paper's in its notes.

    Scores are those of `verdicts` and of the `released` files; roles of the latter are looked up in
    `published_roles` and in `roles`, the run's own. `systems` holds the specs of this run's
    systems, `about_judge` are sentences on the judge, `ablations` maps an ablated system to its
    original and `only` restricts released scores as in the config. `expected` names the systems,
    judges and metrics that each of the `test` dialogues should have verdicts of. Raises UserError
    if more than `max_missing` of a system's scores are missing. csv columns:
    scripts.paper.report.scores.header, domain `all`.
    """
    scores = read_scores(
        verdicts, released, published_roles, roles, Expected(test, **expected), only
    )
    write_comparison(
        published,
        scores,
        replies,
        test,
        systems,
        with_printed(expected["metrics"]),
        max_missing,
        ["all"],
        (table_csv, table_md, table_tex),
        "Table 2: scores of all systems",
        sections=[ablation_section(scores.verdicts, ablations)] if ablations else [],
        notes=[
            *about_judge,
            *item_notes(
                read_all(test, Dialogue), scores.verdicts, roles, read_published(published_roles)
            ),
        ],
    )


if __name__ == "__main__":
    stage.run(table2, globals().get("snakemake"))

"""Table 3: scores of training-pool roles and of held-out roles."""

from pathlib import Path

from scripts.paper.report.expected import Expected
from scripts.paper.report.published import with_printed
from scripts.paper.report.released import read_scores
from scripts.paper.report.systems_table import write_comparison
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

NOTE = (
    "The paper compares Qwen2.5-Omni with SpeechRole-Agent, the same model trained on 78 roles. "
    "In this run in_domain are the roles of the pool `train` and out_of_domain those held out; "
    "for a system that was not trained on their dialogues the domains only tell roles apart."
)


def table3(
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
    only: dict | None = None,
) -> None:
    """Printed and run scores by language, domain and system; every system in both domains.

    Arguments are those of table2. csv columns: scripts.paper.report.scores.header.
    """
    write_comparison(
        published,
        read_scores(verdicts, released, published_roles, roles, Expected(test, **expected), only),
        replies,
        test,
        systems,
        with_printed(expected["metrics"]),
        max_missing,
        ["in_domain", "out_of_domain"],
        (table_csv, table_md, table_tex),
        "Table 3: scores in and out of domain",
        notes=[*about_judge, NOTE],
    )


if __name__ == "__main__":
    stage.run(table3, globals().get("snakemake"))

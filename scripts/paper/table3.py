"""Table 3: the same scores for roles of the training pool and for roles held out."""

from pathlib import Path

from scripts.common import stage
from scripts.common.records import Verdict, read_rows
from scripts.paper.comparison import write_comparison

NOTE = (
    "The paper compares Qwen2.5-Omni with SpeechRole-Agent, the same model trained on 78 roles. "
    "In this run in_domain are the roles of the pool `train` and out_of_domain those held out; "
    "for a system that was not trained on their dialogues the domains only tell roles apart."
)


def table3(
    published: Path,
    verdicts: list[Path],
    replies: list[Path],
    test: list[Path],
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    systems: dict[str, dict],
) -> None:
    """Printed and run scores by language, domain and system; every system in both domains.

    `systems` holds the specs of this run's systems. csv columns: scripts.paper.scores.HEADER.
    """
    write_comparison(
        published,
        [row for path in verdicts for row in read_rows(path, Verdict)],
        replies,
        test,
        systems,
        ["in_domain", "out_of_domain"],
        (table_csv, table_md, table_tex),
        "Table 3: scores in and out of domain",
        notes=[NOTE],
    )


if __name__ == "__main__":
    stage.run(table3, globals().get("snakemake"))

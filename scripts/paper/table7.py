"""Table 7: the roles, part 2."""

from pathlib import Path

from scripts.paper.report.role_table import write_roles
from scripts.workflow import stage


def table7(
    published: Path,
    table_csv: Path,
    table_md: Path,
    table_tex: Path,
    roles: list[dict[str, str]],
    media: list[dict[str, str]],
) -> None:
    """Part 2 of the printed roles and of this run's.

    `roles` and `media` are the rows of roles.tsv and media.tsv. csv: role, name, category,
    language, gender, work, split, source, synthetic.
    """
    write_roles(published, roles, media, 2, (table_csv, table_md, table_tex))


if __name__ == "__main__":
    stage.run(table7, globals().get("snakemake"))

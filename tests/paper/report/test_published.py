"""The names that the printed tables and this run share."""

from scripts.paper.report.published import SYSTEMS, read_published
from tests.paper.made_up import PUBLISHED


def test_the_systems_are_those_of_the_printed_tables():
    rows = [
        row for name in ("table2", "table3") for row in read_published(PUBLISHED / f"{name}.tsv")
    ]
    assert set(SYSTEMS) == {row["system"] for row in rows}

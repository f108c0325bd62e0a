"""Table 7: its share of the printed roles and of this run's, each under its own heading."""

from scripts.paper.table7 import table7
from tests.paper.made_up import MEDIA, PUBLISHED, ROLES, cells, outputs


def test_the_second_half_of_both(tmp_path):
    table7(PUBLISHED / "roles.tsv", **outputs(tmp_path), roles=ROLES, media=MEDIA)
    rows = cells(tmp_path / "table.csv")
    printed = [row for row in rows if row["source"] == "printed"]
    assert len(printed) == 48
    assert printed[0]["name"] == "Fletcher Reede" and printed[-1]["name"] == "yaemiko"
    (run,) = [row for row in rows if row["source"] == "run"]
    assert run["name"] == "陆远航" and run["synthetic"] == "True"
    assert "陆远航" in (tmp_path / "table.tex").read_text("utf-8")

"""Table 6: its share of the printed roles and of this run's, each under its own heading."""

from scripts.paper.table6 import table6
from tests.paper.made_up import MEDIA, PUBLISHED, ROLES, cells, outputs


def test_the_first_half_of_both(tmp_path):
    table6(PUBLISHED / "roles.tsv", **outputs(tmp_path), roles=ROLES, media=MEDIA)
    rows = cells(tmp_path / "table.csv")
    printed = [row for row in rows if row["source"] == "printed"]
    assert len(printed) == 50
    assert (printed[0]["role"], printed[0]["name"]) == ("hutao", "hutaο")
    assert printed[3]["split"] == "dev/test" and printed[-1]["name"] == "Professor G.H. Dorr"
    run = [row for row in rows if row["source"] == "run"]
    assert [(row["name"], row["split"], row["synthetic"]) for row in run] == [
        ("Joe", "train/test", "False"),
        ("Faye", "dev/test", "False"),
    ]
    page = (tmp_path / "table.md").read_text("utf-8")
    assert "## Paper (printed)" in page and "## This run" in page
    assert "2 of the 3 roles to be played" in page and "1 more are looked for" in page
    assert "liyulong (liyunlong)" in page


def test_a_run_without_roles_says_so(tmp_path):
    table6(PUBLISHED / "roles.tsv", **outputs(tmp_path), roles=[], media=[])
    assert "No rows." in (tmp_path / "table.md").read_text("utf-8")

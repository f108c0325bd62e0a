"""Figure 5: the roles by language, kind of source and gender."""

from scripts.paper.figure5 import figure5
from tests.paper.made_up import MEDIA, PUBLISHED, ROLES, cells, figures


def build(folder, roles):
    figure5(PUBLISHED / "roles.tsv", **figures(folder), roles=roles, media=MEDIA)
    return cells(folder / "figure.csv")


def test_printed_and_played_roles_are_counted(tmp_path):
    rows = build(tmp_path, ROLES)
    printed = [row for row in rows if row["source"] == "printed"]
    assert sum(int(row["roles"]) for row in printed) == 98
    chinese = [row for row in printed if row["language"] == "Chinese"]
    assert sum(int(row["roles"]) for row in chinese) == 16
    run = [tuple(row.values())[1:] for row in rows if row["source"] == "run"]
    assert run == [
        ("Chinese", "Game", "Male", "1"),
        ("English", "Game", "Female", "1"),
        ("English", "Game", "Male", "1"),
    ]
    assert "<svg" in (tmp_path / "figure.svg").read_text("utf-8")


def test_a_run_without_roles_is_drawn_too(tmp_path):
    assert all(row["source"] == "printed" for row in build(tmp_path, []))
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")


def test_a_name_with_dollars_is_drawn_as_it_is(tmp_path):
    build(tmp_path, [ROLES[0] | {"category": "A $\\nonsense{$ show"}])
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")

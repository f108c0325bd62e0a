"""compare: every cell of the shipped scores and tables agrees, and a wrong one is flagged."""

import pytest

from scripts.paper.compare import HEADER, compare
from tests.paper.made_up import PUBLISHED, cells, outputs

TABLES = {f"table{n}": PUBLISHED / f"table{n}.tsv" for n in range(1, 6)}
SHIPPED = PUBLISHED / "released_scores_qwen2.5-omni_zh.csv"


def run(tmp_path, released=(SHIPPED,), **changed):
    compare(
        **(TABLES | changed),
        published_roles=PUBLISHED / "roles.tsv",
        released=list(released),
        **outputs(tmp_path),
        roles=[],
    )
    return cells(tmp_path / "table.csv"), (tmp_path / "table.md").read_text("utf-8")


def test_every_cell_agrees(tmp_path):
    rows, page = run(tmp_path)
    assert list(rows[0]) == HEADER
    assert {row["agrees"] for row in rows} == {"True"}
    origins = [row["origin"] for row in rows]
    assert origins.count("From released scores (judge: gemini-2.5-pro)") == 27
    assert origins.count("Overall of Table 2 from its eight cells") == 13
    assert origins.count("Overall of Table 3 from its eight cells") == 8
    assert origins.count("Table 5 from Tables 4 and 2") == 8
    assert "in none of them the difference is larger than the tolerance" in page
    assert "🟥" not in page


def test_a_cell_that_differs_is_red(tmp_path, capsys):
    text = TABLES["table2"].read_text("utf-8")
    assert "0.644\t0.767" in text
    wrong = tmp_path / "table2.tsv"
    wrong.write_text(text.replace("0.644\t0.767", "0.645\t0.767"), "utf-8")
    rows, page = run(tmp_path, table2=wrong)
    red = [row for row in rows if row["agrees"] == "False"]
    assert {(row["table"], row["cell"]) for row in red} == {("Table 2", "IA")}
    assert float(red[0]["difference"]) == pytest.approx(0.00142, abs=1e-5)
    assert "🟥 0.0014" in page
    assert r"\textcolor{red}{0.0014}" in (tmp_path / "table.tex").read_text("utf-8")
    assert "Table 2, Chinese, all, Qwen2.5-Omni, IA: printed 0.645" in capsys.readouterr().out


def test_without_released_scores_the_printed_cells_are_left(tmp_path):
    rows, _ = run(tmp_path, released=())
    assert rows and not any(row["origin"].startswith("From released") for row in rows)


def test_a_name_without_spaces_pairs_with_the_printed_one(tmp_path):
    own = tmp_path / "own.csv"
    lines = SHIPPED.read_text("utf-8").splitlines()
    own.write_text("\n".join(lines).replace("Qwen2.5-Omni", "Alibaba-Cloud-API") + "\n", "utf-8")
    rows, _ = run(tmp_path, released=[own])
    paired = [row for row in rows if row["origin"].startswith("From released")]
    assert {row["system"] for row in paired} == {"Alibaba Cloud API"} and paired

"""compare: every cell of the shipped scores and tables agrees, and a wrong one is flagged."""

import pytest

from scripts.paper.compare import HEADER, compare
from scripts.paper.errata import errata
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


def test_what_is_printed_agrees_but_for_what_errata_lists(tmp_path):
    rows, page = run(tmp_path)
    assert list(rows[0]) == HEADER
    (red,) = [row for row in rows if row["agrees"] == "False"]
    assert (red["table"], red["language"], red["system"]) == (
        *("Table 3", "Chinese", "SpeechRole-Agent"),
    )
    origins = [row["origin"].partition(" (")[0] for row in rows]
    assert origins.count(f"From released scores: {SHIPPED.name}") == 27
    assert origins.count("Overall of Table 2 from its eight cells") == 13
    assert origins.count("Overall of Table 3 from its eight cells") == 8
    assert origins.count("Table 5 from Tables 4 and 2") == 8
    assert page.count("🟥") == 1
    errata(
        **{name: TABLES[name] for name in ("table2", "table3", "table4")},
        **({"published_roles": PUBLISHED / "roles.tsv"} | outputs(tmp_path)), services=[],
    )  # fmt: skip
    listed = [r["where"] for r in cells(tmp_path / "table.csv") if r["where"].endswith("overall")]
    assert len(listed) == 1 and all(f"1 of 83: {where}, printed 0.843" in page for where in listed)


def test_the_page_says_how_many_cells_of_how_many_and_prints_them_as_the_paper(tmp_path):
    _, page = run(tmp_path)
    assert "70 of the 266 printed cells of Tables 1 to 5 were computed again, some in two" in page
    assert "29 of 117 of Table 2 (config/published/table2.tsv)" in page
    assert "0 of 48 of Table 4" in page and "8 of 8 of Table 5" in page
    assert "| Table 2 | Chinese | all | Qwen2.5-Omni | IA | 0.644 | 0.644 | 0.0004 | yes |" in page
    assert "| Table 1 | train | speech_hours | 875.25 | 875.25 | 0.0000 | yes |" in page
    assert "| – |" not in page


def test_scores_that_are_not_whole_are_compared_with_nothing_and_named(tmp_path):
    lines = SHIPPED.read_text("utf-8").splitlines()
    half = tmp_path / "half.csv"
    half.write_text("\n".join(x for x in lines if ",single," in x or "metric" in x), "utf-8")
    rows, page = run(tmp_path, released=[half])
    assert not any(row["origin"].startswith("From released") for row in rows)
    assert "Qwen2.5-Omni (Chinese): only 256 of 512 scores are there, so its rows are not" in page


def test_a_cell_that_differs_is_red(tmp_path, capsys):
    text = TABLES["table2"].read_text("utf-8")
    assert "0.644\t0.767" in text
    wrong = tmp_path / "table2.tsv"
    wrong.write_text(text.replace("0.644\t0.767", "0.645\t0.767"), "utf-8")
    rows, page = run(tmp_path, table2=wrong)
    red = [row for row in rows if row["agrees"] == "False" and row["table"] == "Table 2"]
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

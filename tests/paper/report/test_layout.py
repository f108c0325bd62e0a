"""A table's three forms: unrounded for programs; rounded, marked and escaped for people."""

import csv
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.cells import undefused
from scripts.paper.report.layout import Section, latex, markdown, write_csv, write_table

ROWS = [
    {"name": "a_b", "of": "x", "score": 1 / 3, "n": 2, "left": None},
    {"name": "c|d", "of": "x", "score": 0.5, "n": 3, "left": True},
    {"name": "e", "of": "x", "score": 0.1, "n": 3, "left": float("nan")},
    {"name": "f", "of": "y", "score": 0.2, "n": 3, "left": ""},
]


def write(tmp_path, rows, **options):
    paths = [tmp_path / f"t.{kind}" for kind in ("csv", "md", "tex")]
    write_table(rows, *paths, "Title & more", ["A `note` of 5 %."], **options)
    with paths[0].open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file)), paths[1].read_text("utf-8"), paths[2].read_text("utf-8")


def test_csv_is_unrounded_and_has_empty_cells_for_what_is_missing(tmp_path):
    rows, md, tex = write(tmp_path, ROWS)
    assert [row["score"] for row in rows] == [repr(row["score"]) for row in ROWS]
    assert [row["left"] for row in rows] == ["", "True", "", ""]
    assert "0.333" in md and "0.3333" not in md
    assert "| – |" in md and "yes" in md and "& -- " in tex


def test_best_is_bold_and_second_underlined_within_a_group(tmp_path):
    _, md, tex = write(tmp_path, ROWS, ranked=["score"], within=["of"])
    assert "**0.500**" in md and "<ins>0.333</ins>" in md
    assert r"\textbf{0.500}" in tex and r"\underline{0.333}" in tex
    assert "| 0.100 |" in md and "| 0.200 |" in md  # third, and alone in its group


def test_equal_values_share_a_mark():
    rows = [{"v": 1.0}, {"v": 1.0}, {"v": 0.5}, {"v": None}]
    page = markdown("t", [Section(rows, {"v": "v"}, ranked=["v"])], [])
    assert page.count("**1.000**") == 2 and page.count("<ins>0.500</ins>") == 1


def test_signs_of_both_languages_are_escaped(tmp_path):
    _, md, tex = write(tmp_path, ROWS)
    assert r"c\|d" in md
    assert r"a\_b" in tex and r"Title \& more" in tex and r"\texttt{note} of 5 \%" in tex


@given(st.lists(st.text(max_size=12) | st.floats(allow_nan=False) | st.integers(), max_size=5))
def test_any_text_comes_back_from_the_csv_and_is_no_formula(values):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        write_csv([{"name": value, "n": 1} for value in values], path, ["name", "n"])
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    assert [row["n"] for row in rows] == ["1"] * len(values)
    for value, row in zip(values, rows, strict=True):
        if isinstance(value, str):
            assert undefused(row["name"]) == value.replace("\r\n", "\n").replace("\r", "\n")
            assert undefused(row["name"]) == row["name"] or row["name"].startswith("'")
        else:
            assert row["name"] == str(value)


def test_formulas_of_others_are_defused_in_the_csv_alone(tmp_path):
    rows = [{"name": "=HYPERLINK(1)", "n": -2.5}, {"name": "a\r=1", "n": -3}]
    found, md, tex = write(tmp_path, rows)
    assert [tuple(row.values()) for row in found] == [("'=HYPERLINK(1)", "-2.5"), ("a\n=1", "-3")]
    assert "| =HYPERLINK(1) | -2.500 |" in md and "=HYPERLINK(1) & -2.500" in tex


def test_markup_in_titles_headings_and_notes_is_shown_as_it_is():
    page = markdown("<b>", [Section([], {"a": "![x](y)"}, "[s](t)")], ["<i> `code` ![z](w)"])
    assert page.startswith("# &lt;b&gt;\n\n## \\[s\\](t)\n\n| !\\[x\\](y) |")
    assert page.endswith("&lt;i&gt; `code` !\\[z\\](w)\n")


def test_header_chooses_the_columns_of_the_csv(tmp_path):
    rows, md, _ = write(tmp_path, ROWS, columns={"name": "Name"}, header=["n", "name"])
    assert list(rows[0]) == ["n", "name"] and "| Name |" in md and "score" not in md


def test_no_rows_is_a_valid_table_that_says_so(tmp_path):
    rows, md, tex = write(tmp_path, [], columns={"name": "Name"})
    assert "none" in tex.split(r"\endlastfoot")[1]
    assert rows == [] and "No rows." in md and r"\bottomrule" in tex
    with pytest.raises(ValueError, match="columns must be named"):
        write(tmp_path, [])


SYSTEM = "SpeechRole-Agent [qwen2.5-omni-7b] αβ 陆远航 results/judging/objective/cascade_1.5b"
SHARES = re.compile(r"p\{\\dimexpr ([\d.]+)\\linewidth-2\\tabcolsep\\relax\}")


def wide(columns, words=1):
    row = {str(n): " ".join(["0.512 to 0.644"] * words) for n in range(columns)}
    return Section([row | {"name": SYSTEM}], {"name": "Name"} | {key: SYSTEM for key in row})


@pytest.mark.parametrize("columns, words", [(1, 1), (3, 9), (7, 2), (40, 1)])
def test_a_grid_of_any_width_fits_the_line(columns, words):
    """Columns are as wide as they are, or widths that add up to the line, on a turned page if the
    words need it; what is wider still becomes several tables."""
    tex = latex("t", [wide(columns, words)], [], "tab:t")
    tables = tex.split(r"\begin{longtable}")[1:]
    for table in tables:
        shares = [float(share) for share in SHARES.findall(table.split(r"\caption")[0])]
        assert not shares or 0.98 < sum(shares) <= 1
    assert ("landscape" in tex) == (columns > 6) and (len(tables) > 1) == (columns == 40)
    assert len(set(re.findall(r"\\label\{(.*?)\}", tex))) == len(tables)
    assert all("0.512" in table for table in tables)
    small = Section([{"a": "x", "b": 1.5}], {"a": "Name", "b": "Score"})
    assert r"\begin{longtable}{lr}" in latex("t", [small], [], "tab:t")


def test_each_table_has_a_caption_and_a_label_of_its_own(tmp_path):
    """Also where two pages are included by one document, and two sections have one title."""
    sections = [Section(ROWS, {"name": "Name"}, title) for title in ("", "Ranks", "Ranks", "等")]
    labels = []
    for folder in ("paper", "released"):
        (tmp_path / folder).mkdir()
        *_, tex = write(tmp_path / folder, ROWS, sections=sections)
        found = re.findall(r"\\caption\{(.*?)\}\\label\{(.*?)\}", tex)
        assert [caption for caption, _ in found][:2] == [r"Title \& more", r"Title \& more: Ranks"]
        labels += [label for _, label in found]
    assert len(set(labels)) == len(labels) == 8
    assert labels[:2] == ["tab:paper:t", "tab:paper:t:ranks"]


def test_a_label_is_that_of_the_file_and_not_of_its_temporary_name(tmp_path):
    paths = [tmp_path / f".part-12-table2.{kind}" for kind in ("csv", "md", "tex")]
    write_table(ROWS, *paths, "Table 2: scores of all systems")
    tex = paths[2].read_text("utf-8")
    assert rf"\label{{tab:{tmp_path.name}:table2}}" in tex
    assert r"\caption{Scores of all systems (Table 2 of the paper)}" in tex


def test_each_environment_ends_and_the_size_is_one():
    tex = latex("t", [wide(1), wide(7), Section([], {"a": "a"})], ["Of `results/x`, 5 %."], "tab:t")
    assert tex.count(r"\footnotesize") == 3 + 1 and r"\scriptsize" not in tex
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", tex.split("fi}\\fi")[1]):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack and tex.count(r"\begingroup") == tex.count(r"\endgroup") == 3


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_keeps_the_grid_whole(first, second):
    section = Section([{"a": first, "b": second}], {"a": "a", "b": "b"})
    line = markdown("t", [section], []).splitlines()[-1]
    assert len(re.findall(r"(?<!\\)\|", line.replace("\\\\", ""))) >= 3
    tex = latex("t", [section], [], "tab:t")
    body = tex.split(r"\endlastfoot")[1].split(r"\end{longtable}")[0]
    assert len(re.findall(r"(?<!\\)&", body)) == 1
    bare = re.sub(r"\\[{}]", "", tex)
    assert bare.count("{") == bare.count("}")

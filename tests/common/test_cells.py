"""Cells that a spreadsheet would take for a formula are escaped, and read back unchanged."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.cells import defused, undefused
from scripts.common.tables import clean

TEXT = st.text(st.sampled_from("'=+-@\t\r＝1.e5 aé\"|"), max_size=8) | st.text(max_size=12)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "@SUM(A1)",
        "+1+cmd|' /C calc'!A0",
        "-2+3",
        "\t=1",
        "\r=1",
        "＝1",
        "=",
        "-",
        " =1",
        "\u00a0=1",
        "\ufeff=1",
        "\0 @A",
    ],
)
def test_a_formula_gets_an_apostrophe(text):
    assert defused(text) == f"'{text}" and undefused(defused(text)) == text


@pytest.mark.parametrize("text", ["-0.25", "+3", "1e-5", "-1.5E+3", "a=b", "'tis", "", "–", "'"])
def test_numbers_and_other_words_stay(text):
    assert defused(text) == text == undefused(text)


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_any_text_comes_back_from_a_csv_and_begins_no_formula(texts):
    file = io.StringIO(newline="")
    csv.writer(file).writerow(map(defused, texts))
    (cells,) = csv.reader(io.StringIO(file.getvalue(), newline=""))
    assert list(map(undefused, cells)) == texts
    for cell in cells:
        assert cell[:1] not in tuple("=+-@\t\r\n＝") or float(cell) is not None


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_numbers_written_as_text_stay_numbers(number):
    assert defused(str(number)) == str(number)


@given(TEXT)
def test_tables_of_people_read_what_was_defused(text):
    plain = clean(text)
    if plain and not plain.startswith(("'", '"')):
        assert clean(defused(plain)) == plain

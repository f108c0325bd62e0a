"""Tables saved by people and their programs are read alike, or refused by name."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.cells import undefused
from scripts.common.documents import check
from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.common.tables import clean, located, read_table, refer, unique

COLUMNS = "role name category language gender work pool script profile".split()
HEADER = "\t".join(COLUMNS)
WORK = "Pokémon, Good and Bad"


def row(**changes):
    usual = ("joe", "Joe", "Game", "English", "Male", WORK, "train", "", "")
    return "\t".join({**dict(zip(COLUMNS, usual, strict=True)), **changes}.values())


def table(tmp_path, *lines, data=None):
    path = tmp_path / "roles.tsv"
    path.write_bytes(data if data is not None else "".join(f"{x}\n" for x in lines).encode())
    return path


@pytest.mark.parametrize(
    "work",
    [
        *(WORK, f"{WORK} ", f"\u3000{WORK}", WORK.replace(" ", "\u00a0"), f'"{WORK}"'),
        *(unicodedata.normalize("NFD", WORK), f"\u200b{WORK}\ufeff", f'" {WORK}" '),
        *(f"\u202a{WORK}\u202c", f"\u2068{WORK}\u2069", WORK.replace("d B", "d\u200c B\u00ad")),
    ],
)
def test_what_nobody_sees_makes_no_other_name(tmp_path, work):
    (found,) = read_table(table(tmp_path, HEADER, row(work=work)), "roles")
    assert found["work"] == WORK


@pytest.mark.parametrize(
    "data",
    [
        f"\ufeff{HEADER}\n{row()}\n".encode(),
        f"\ufeff# mine\n{HEADER}\r\n{row()}\r\n".encode(),
        f'"# mine, and yours"{chr(9) * 8}\n\t\t\n{HEADER}\r{row()}'.encode(),
        "".join(
            "\t".join(f'"{cell}"' for cell in line.split("\t")) + "\n" for line in (HEADER, row())
        ).encode(),
    ],
)
def test_a_table_is_read_as_editors_and_spreadsheets_save_it(tmp_path, data):
    assert read_table(table(tmp_path, data=data), "roles")[0]["work"] == WORK


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (f"{HEADER}\n{row()}\n".encode("utf-16"), "roles.tsv is UTF-16"),
        (f"{HEADER}\n{row()}\n".encode("utf-16-be"), "roles.tsv holds zero bytes"),
        (f"{HEADER}\n{row(name='胡桃')}\n".encode("gbk"), "roles.tsv, line 2, is not UTF-8"),
        (f"{HEADER}\n{row()}\n".encode("latin-1"), "line 2, is not UTF-8 .but GBK or a Windows"),
        (b"PK\x03\x04...", "roles.tsv is no text but a workbook; save it as text in UTF-8"),
        (b"", "roles.tsv is empty"),
        (f"{HEADER}\n{row()}\n".encode("utf-32"), "roles.tsv is UTF-32"),
        (b"\xd0\xcf\x11\xe0...", "roles.tsv is no text but an old workbook"),
        (f"{HEADER}\tname\n".encode(), "line 1: the column 'name' is there twice"),
        (HEADER.replace("\t", ";").encode(), "line 1: unknown column .* by one tab"),
        (b"[]", "line 1: unknown column"),
        (HEADER.replace("\tname", "\t").encode(), "line 1: a column has no name"),
        (HEADER.replace("\tname", "").encode(), "line 1: the column 'name' is missing"),
    ],
)
def test_another_form_is_refused_by_name(tmp_path, data, sentence):
    with pytest.raises(UserError, match=sentence):
        read_table(table(tmp_path, data=data), "roles")


@pytest.mark.parametrize(
    "line, sentence",
    [
        ("joe\tJoe\tGame\tEnglish", "line 2: 4 cells where the header has 9"),
        (row(role="a/b"), "line 2: role"),
        (row(role=".."), "line 2: role"),
        (row(role="j" * 300), "line 2: role"),
        (row(category="game"), "line 2: category"),
        (row(work='" "'), "line 2: work"),
    ],
)
def test_a_malformed_row_is_told(tmp_path, line, sentence):
    path = table(tmp_path, HEADER, line)
    with pytest.raises(UserError) as error:
        read_table(path, "roles")
    assert str(path) in str(error.value) and sentence in str(error.value)


@pytest.mark.parametrize(
    ("schema", "header", "cells", "sentence"),
    [
        ("speaker_decisions", "media start end verdict role by date", "F 1 2 yes joe me 1/2/2026",
         "date: '1/2/2026' .*; it is a day as 2026-01-31"),
        ("prices", "host model unit usd per date source", "a.b m call 1,5 1 2026-01-31 me",
         "usd: '1,5' .*; it is a number as 1.5"),
        ("prices", "host model unit usd per date source", "a.b m call 1 1E+06 2026-01-31 me",
         "per: '1E.06' .*; it is a whole number as 1000000"),
        ("human_ratings", "rater system role mode idx metric score",
         f"ann gpt joe single {'9' * 5_000} IA 7", "idx: .*; it is number of the test item"),
    ],
)  # fmt: skip
def test_a_number_or_date_that_a_spreadsheet_made_over_is_told(
    tmp_path, schema, header, cells, sentence
):
    path = table(tmp_path, header.replace(" ", "\t"), cells.replace(" ", "\t"))
    with pytest.raises(UserError, match=sentence):
        located(path, schema)


@pytest.mark.parametrize("batch", ["../x", "a/b", "..", "", "a.b", "a b", "x" * 300])
def test_a_batch_that_is_part_of_paths_is_a_plain_name(batch):
    (row, *_) = read_table(ROOT / "config/media.tsv", "media")
    with pytest.raises(UserError, match="batch"):
        check({**row, "batch": batch}, "media", "here")


def test_a_chinese_role_is_welcome(tmp_path):
    path = table(tmp_path, "# a comment", HEADER, row(role="胡桃", language="Chinese", work="原神"))
    assert [(where, found["role"]) for where, found in located(path, "roles")] == [
        (f"{path}, line 3", "胡桃")
    ]


@pytest.mark.parametrize(
    "script", [unicodedata.normalize("NFD", "été.txt"), "Film\u00a0: 1.txt", "👩\u200d🚀.txt"]
)
def test_names_of_files_keep_their_letters(tmp_path, script):
    (found,) = read_table(table(tmp_path, HEADER, row(script=f"\u200b{script}\u00a0 ")), "roles")
    assert found["script"] == script


def test_empty_columns_at_the_end_are_passed_over_but_no_cell_moves(tmp_path):
    (found,) = read_table(table(tmp_path, f"{HEADER}\t\t", f"{row()}\t\t "), "roles")
    assert list(found) == COLUMNS and found["work"] == WORK
    for line in (f"{row()}\t\tx", row(work="a\tb"), f"{row()}\t\t\t"):
        located.cache_clear()
        with pytest.raises(UserError, match="line 2: 1[012] cells where the header has 9"):
            located(table(tmp_path, f"{HEADER}\t\t", line), "roles")


@pytest.mark.parametrize("names", [("joe", "joe"), ("Joe", "joe"), ("STRASSE", "straße")])
def test_two_rows_of_one_name_are_refused(tmp_path, names):
    def roles(*own):
        lines = [row(role=f"role{number}", name=name) for number, name in enumerate(own)]
        path = tmp_path / f"{'-'.join(own)}.tsv"
        path.write_text("\n".join([HEADER, *lines]) + "\n", "utf-8")
        return path

    first = "-".join(names)
    with pytest.raises(
        UserError, match=f"line 3: the name '{names[1]}' is in .*{first}.tsv, line 2"
    ):
        unique(roles(*names), "roles", "name")
    unique(roles("joe", "joey"), "roles", "name")


def test_a_missing_table_is_told(tmp_path):
    with pytest.raises(UserError, match="no.tsv does not exist"):
        read_table(tmp_path / "no.tsv", "roles")
    with pytest.raises(UserError, match="is a folder"):
        read_table(tmp_path, "roles")


def test_a_name_that_another_table_lacks_is_told_with_the_nearest(tmp_path):
    path = table(tmp_path, HEADER, row(), row(role="ann", work="Pokemon, good and bad"))
    with pytest.raises(UserError, match=f"line 3: the work .* not in media.tsv; .* '{WORK}'"):
        refer(path, "roles", "work", [WORK], "media.tsv")
    refer(path, "roles", "language", ["English"], "media.tsv")


CELL = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)


@given(CELL, st.sampled_from(["{}", " {}", "{}\u00a0", "\ufeff{}", '"{}"', ' "{} "']))
def test_a_cell_is_the_same_in_whatever_it_is_wrapped(text, wrapped):
    if '"' in wrapped:
        text, written = text.replace('"', "'"), text.replace('"', "'")
    elif clean(text) != unicodedata.normalize("NFC", text):
        return  # in quotes of its own
    else:
        written = text
    if undefused(text) != text:
        return  # a formula that was defused: tests/common/test_cells.py
    for form in ("NFC", "NFD"):
        given_ = wrapped.format(unicodedata.normalize(form, written))
        assert clean(given_) == unicodedata.normalize("NFC", text)
        assert clean(clean(given_)) == clean(given_)

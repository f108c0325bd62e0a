"""Rows survive a round trip; malformed ones are reported by file and line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.errors import UserError
from scripts.rows.corpus import Transcript, Turn
from scripts.rows.dialogues import shard_of
from scripts.rows.jsonl import content_id, read_rows, write_rows


@given(st.lists(st.builds(Transcript, id=st.text(), text=st.text(), language=st.just("Chinese"))))
def test_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    write_rows(path, rows)
    assert read_rows(path, Transcript) == rows


def test_times_are_milliseconds():
    assert Turn(media="m", speaker="s", start=0.12345, end=1).start == 0.123


@pytest.mark.parametrize(
    "line, told",
    [
        ('{"id": "a", "text": "b"}', "language"),
        ('{"id": "a", "text": "b", "language": "English", "txt": 1}', "txt"),
        ("not json", "the line"),
    ],
)
def test_a_malformed_line_is_told(tmp_path, line, told):
    path = tmp_path / "rows.jsonl"
    good = Transcript(id="a", text="b", language="English")
    write_rows(path, [good])
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match=rf"rows\.jsonl, line 2: not a Transcript row \({told}"):
        read_rows(path, Transcript)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_rows(tmp_path / "no.jsonl", Turn)


@given(st.text(), st.integers(1, 200))
def test_a_shard_is_one_of_its_count(role, count):
    assert 1 <= shard_of(role, count) <= count


def test_digests_tell_parts_apart():
    assert content_id("a", "b") != content_id("ab") and len(content_id("a")) == 12

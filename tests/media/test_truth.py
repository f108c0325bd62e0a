"""True turns and lines: written, read back, matched."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.common import audio
from scripts.common.records import read_rows, write_rows
from scripts.common.stage import UserError
from scripts.media import truth

RTTM = """SPEAKER x 1 0.000 2.000 <NA> <NA> s1 <NA> <NA>
SPEAKER x 1 1.500 2.000 <NA> <NA> s2 <NA> <NA>
"""


def test_what_is_written_is_read_back(tmp_path):
    turns = [(0.5, 1.25, "joe"), (2.0, 3.5, "云 峰")]
    lines = [truth.TruthLine(start=0.5, end=1.25, speaker="joe", character="Joe", text="Hi.")]
    stem = np.full(16_000, 0.1, np.float32)
    truth.write(tmp_path, "x", turns, lines, stem)
    assert truth.read_rttm(tmp_path / "x.rttm") == [(0.5, 1.25, "joe"), (2.0, 3.5, "云-峰")]
    assert read_rows(tmp_path / "x.jsonl", truth.TruthLine) == lines
    assert np.allclose(audio.read(tmp_path / "x.flac"), stem, atol=1e-4)


def test_an_rttm_alone_gives_turns_without_text(tmp_path):
    (tmp_path / "x.rttm").write_text(RTTM)
    turns, lines = truth.read(tmp_path / "x.rttm")
    assert turns == [(0.0, 2.0, "s1"), (1.5, 3.5, "s2")]
    assert [(line.speaker, line.text) for line in lines] == [("s1", ""), ("s2", "")]


def test_the_speakers_of_an_stm_are_those_of_the_rttm(tmp_path):
    (tmp_path / "x.rttm").write_text(RTTM)
    (tmp_path / "x.stm").write_text(
        ";; note\nx 1 Ann 0.1 1.9 Hello there.\nx 1 Bo 1.9 3.4 Hi, Ann\n"
    )
    turns, lines = truth.read(tmp_path / "x.rttm")
    assert len(turns) == 2
    assert [(line.speaker, line.character, line.text) for line in lines] == [
        ("s1", "Ann", "Hello there."),
        ("s2", "Bo", "Hi, Ann"),
    ]


def test_lines_beside_an_rttm_are_taken(tmp_path):
    (tmp_path / "x.rttm").write_text(RTTM)
    row = truth.TruthLine(start=0, end=2, speaker="s1", character="A", text="你好")
    write_rows(tmp_path / "x.jsonl", [row])
    assert truth.read(tmp_path / "x.rttm")[1] == [row]


@pytest.mark.parametrize("name, text", [("x.rttm", "SPEAKER x 1 one 2\n"), ("x.stm", "x 1 Ann\n")])
def test_a_malformed_line_is_named(tmp_path, name, text):
    (tmp_path / "x.rttm").write_text(RTTM)
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=rf"{name}, line 1"):
        truth.read(tmp_path / "x.rttm")


def test_a_missing_or_foreign_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"x\.rttm does not exist"):
        truth.read(tmp_path / "x.rttm")
    (tmp_path / "x.rttm").write_bytes("云".encode("gb18030"))
    with pytest.raises(UserError, match="not UTF-8"):
        truth.read(tmp_path / "x.rttm")

"""duplex_sheet: blinded, and only what every system has."""

from __future__ import annotations

import numpy as np
import soundfile

from scripts.common import audio
from scripts.duplex.duplex_sheet import RATE, duplex_sheet
from scripts.rows.duplex import sample_of
from tests.rows import duplex as made
from tests.rows import written


def test_a_sheet_has_the_items_that_all_systems_have(tmp_path):
    names = ["a", "b", "c"]
    items = written(tmp_path / "items.jsonl", [made.item(name) for name in names])
    sides = {
        "one": [made.conversation(name, system="one") for name in names],
        "two": [
            made.conversation("a", system="two"),
            made.conversation("b", system="two", audio=None, dropped="silent"),
            made.conversation("c", system="two"),
        ],
    }
    for folder, level in (("user", 0.1), ("one", 0.2), ("two", 0.3)):
        (tmp_path / folder).mkdir()
        for name in names:
            samples = np.full(RATE, level, np.float32)
            audio.write(tmp_path / folder / f"{name}.flac", samples, RATE)
    duplex_sheet(
        item_rows=[items],
        user_audio=[tmp_path / "user"],
        conversations=[written(tmp_path / f"{key}.jsonl", own) for key, own in sides.items()],
        audio=[tmp_path / key for key in sides],
        sheet=tmp_path / "sheet.tsv",
        samples=tmp_path / "samples",
        most=8,
    )
    lines = (tmp_path / "sheet.tsv").read_text("utf-8").splitlines()
    assert lines[0] == "rater\tpage\tsample\tscore" and len(lines) == 5
    assert all("one" not in line and "two" not in line for line in lines)
    shown, rate = soundfile.read(tmp_path / "samples" / f"{sample_of(sides['two'][2])}.flac")
    assert rate == RATE and np.allclose(shown, [0.1, 0.3], atol=1e-3)

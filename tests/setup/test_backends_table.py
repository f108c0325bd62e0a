"""The README's table of backends matches the backends."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.common.errors import UserError
from scripts.setup.backends_table import BEGIN, END, HEAD, table, what, written
from scripts.workflow import specs

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_has_the_table_as_it_is_now():
    page = (ROOT / "README.md").read_text("utf-8")
    assert written(page) == page, "run `python -m scripts.setup.backends_table --write README.md`"


def test_every_backend_has_a_line():
    lines = table().splitlines()
    assert lines[0] == HEAD
    names = [(c, b) for c in specs.capabilities() for b in specs.backends(c)]
    assert len(lines) == len(names) + 2
    for line, (capability, backend) in zip(lines[2:], names, strict=True):
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        assert cells[:2] == [capability, f"`{backend}`"] and len(cells) == 6 and all(cells)


def test_the_first_line_says_what_it_is(tmp_path):
    file = tmp_path / "x.py"
    file.write_text('"""Speech in 3.1 steps | fast.\n\nAnd more. A b."""\n')
    assert what(file) == "Speech in 3.1 steps \\| fast"


def test_the_marks_stay_and_what_is_between_goes():
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert written(page) == f"before\n{BEGIN}\n{table()}\n{END}\nafter\n"
    assert written(written(page)) == written(page)
    with pytest.raises(UserError, match="no marks"):
        written("a page")

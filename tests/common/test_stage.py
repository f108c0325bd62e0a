"""The binder: names, temporary outputs, errors as sentences."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.common import stage


class Named(dict):
    """Named values as Snakemake hands them over, with the log as a list."""


def job(tmp_path: Path, **changed) -> SimpleNamespace:
    given = {
        "rule": "double",
        "input": Named(numbers=str(tmp_path / "in.txt")),
        "output": Named(doubled=str(tmp_path / "out/out.txt")),
        "params": Named(factor=2, code="abc"),
        "log": [],
    }
    return SimpleNamespace(**{**given, **changed})


def double(numbers: Path, doubled: Path, factor: int = 2) -> None:
    """Multiply each number."""
    lines = numbers.read_text().split()
    doubled.write_text("\n".join(str(int(line) * factor) for line in lines))


def test_names_are_bound_and_the_output_is_renamed(tmp_path):
    (tmp_path / "in.txt").write_text("1 2")
    stage.run(double, job(tmp_path))
    assert (tmp_path / "out/out.txt").read_text() == "2\n4"
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["out.txt"]


def test_a_misnamed_output_is_told_by_name(tmp_path, capsys):
    with pytest.raises(SystemExit):
        stage.run(double, job(tmp_path, output=Named(dubbled=str(tmp_path / "o"))))
    assert "unknown ['dubbled'], missing ['doubled']" in capsys.readouterr().err


def fails(doubled: Path) -> None:
    doubled.write_text("half")
    raise OSError(errno.ENOSPC, "No space left on device", str(doubled))


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_written(tmp_path, capsys):
    with pytest.raises(SystemExit):
        stage.run(fails, job(tmp_path, input=Named(), params=Named()))
    assert "the disk is full" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_an_old_output_survives_a_failed_run(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/out.txt").write_text("old")
    with pytest.raises(SystemExit):
        stage.run(fails, job(tmp_path, input=Named(), params=Named()))
    assert (tmp_path / "out/out.txt").read_text() == "old"


def test_the_command_line_has_the_same_names(tmp_path, monkeypatch):
    (tmp_path / "in.txt").write_text("4")
    arguments = ["double", "--numbers", str(tmp_path / "in.txt"), "--doubled"]
    monkeypatch.setattr("sys.argv", [*arguments, str(tmp_path / "out.txt"), "--factor", "3"])
    stage.run(double)
    assert (tmp_path / "out.txt").read_text() == "12"


def test_progress_yields_everything_and_tells(capsys, monkeypatch):
    monkeypatch.setattr(stage.progress, "screen", __import__("sys").stderr)
    assert list(stage.progress("abc", 3, "letters", every=-1)) == ["a", "b", "c"]
    assert "letters: 1 of 3" in capsys.readouterr().err

"""The binder: names, temporary outputs, errors as sentences."""

from __future__ import annotations

import errno
import multiprocessing
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.workflow import stage


class Named(dict):
    """Named values as passed by Snakemake, with the log as a list."""


def job(tmp_path: Path, **changed) -> SimpleNamespace:
    given = {
        "rule": "double",
        "input": Named(numbers=str(tmp_path / "in.txt")),
        "output": Named(doubled=str(tmp_path / "out/out.txt")),
        "params": Named(factor=2, code="abc"),
        "log": [],
        "config": {},
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


def side_by_side(doubled: Path, begun: Path) -> None:
    """Two processes write half, and the rest once the other has written half, too."""
    with doubled.open("w") as file:
        file.write("half ")
        file.flush()
        (begun / str(os.getpid())).touch()
        until = time.monotonic() + 30
        while len(list(begun.iterdir())) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        file.write("whole")


def test_two_processes_may_make_the_same_file_at_once(tmp_path):
    """As a job whose Snakemake was killed, and that of the run that followed."""
    (tmp_path / "begun").mkdir()
    given = job(tmp_path, input=Named(begun=str(tmp_path / "begun")), params=Named())
    fork = multiprocessing.get_context("fork")
    both = [fork.Process(target=stage.run, args=(side_by_side, given)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["out.txt"]
    assert (tmp_path / "out/out.txt").read_text() == "half whole"


def test_what_dead_processes_left_half_made_is_removed(tmp_path):
    (tmp_path / "in.txt").write_text("1")
    (tmp_path / "out/.part-999999999-out.txt").mkdir(parents=True)
    others = {".part-999999999-another.txt", f".part-{os.getppid()}-out.txt"}
    for name in others:
        (tmp_path / "out" / name).touch()
    stage.run(double, job(tmp_path))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"out.txt", *others}


def test_the_command_line_has_the_same_names(tmp_path, monkeypatch):
    (tmp_path / "in.txt").write_text("4")
    arguments = ["double", "--numbers", str(tmp_path / "in.txt"), "--doubled"]
    monkeypatch.setattr("sys.argv", [*arguments, str(tmp_path / "out.txt"), "--factor", "3"])
    stage.run(double)
    assert (tmp_path / "out.txt").read_text() == "12"

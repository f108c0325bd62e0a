"""The output and exit status of benchmarks; nothing is timed here."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from benchmarks.figures import Figure, best, show
from benchmarks.older_cpu import older


@pytest.mark.parametrize(
    "ours, peer, target, met",
    [
        (1.05, 1.0, "ratio <= 1.05", True),
        (1.06, 1.0, "ratio <= 1.05", False),
        (4.9, 1.0, "ratio >= 5", False),
        (3.0, 1.0, "ours <= 3", True),
        (3.0, None, "ours < 3", False),
        (7, 7, "ours == peer", True),
        (7, 8, "ours == peer", False),
        (1e-6, None, "ours <= 1e-6", True),
        (float("nan"), 1.0, "ratio <= 2", False),
        (9, 1.0, "", True),
    ],
)
def test_a_target_is_met_or_missed(ours, peer, target, met):
    assert Figure("something", ours, peer, target).met is met


def test_a_line_a_figure_and_all_are_shown_before_a_miss_ends_it(capsys):
    figures = [
        Figure("slow (s)", 3.0, 1.5, "ratio <= 1.05"),
        Figure("fast (s)", 1.0, 2.0, "ratio <= 1.05"),
        Figure("told", 0.00002),
    ]
    assert show(figures) == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["ours", "peer", "ratio", "target"],
        ["slow", "(s)", "3.000", "1.500", "2.000", "ratio", "<=", "1.05", "missed"],
        ["fast", "(s)", "1.000", "2.000", "0.500", "ratio", "<=", "1.05", "met"],
        ["told", "2.0e-05", "-", "-"],
    ]
    assert show(figures[1:]) == 0


def test_the_shortest_time_of_each_side_counts():
    ticks = iter([0, 5, 5, 6, 10, 12, 12, 19])
    done = []
    works = [lambda: done.append("a"), lambda: done.append("b")]
    assert best(works, rounds=2, clock=lambda: next(ticks)) == [2, 1]
    assert done == ["a", "b", "a", "b"]


FEATURES = """
import threading
from numpy._core._multiarray_umath import __cpu_features__ as has
seen = []
thread = threading.Thread(target=lambda: seen.append(has["AVX512F"]))
thread.start(); thread.join()
print(has["AVX2"], has["AVX512F"], has["AVX512_ICL"], seen)
"""


@pytest.mark.skipif(
    shutil.which("cc") is None or "cpuid_fault" not in Path("/proc/cpuinfo").read_text(),
    reason="needs a C compiler and a CPU that lets CPUID fault",
)
def test_a_command_on_an_older_cpu_sees_avx2_and_nothing_newer(tmp_path, capfd):
    assert older([sys.executable, "-c", FEATURES], tmp_path) == 0
    assert capfd.readouterr().out.split() == ["True", "False", "False", "[False]"]
    assert older([sys.executable, "-c", "import sys; sys.exit(3)"], tmp_path) == 3
    kill = "import faulthandler, ctypes; faulthandler.enable(); ctypes.string_at(0)"
    assert older([sys.executable, "-c", kill], tmp_path) == -11
    assert "Segmentation fault" in capfd.readouterr().err

"""What make says about a machine that cannot run the demo, and that the wheels exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.setup import machine

ROOT = Path(__file__).resolve().parents[2]
GOOD = ((3, 12), "x86_64", {"avx2", "fma"})
BUILT = ["connection-pool"]  # pure Python, without a wheel


def test_a_good_machine_is_told_nothing():
    assert machine.fault(*GOOD) is None
    assert machine.fault(*GOOD[:2], None) is None


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (0, (3, 10), "Python 3.11 to 3.13 is needed, and this is 3.10: make PYTHON="),
        (0, (3, 14), "and this is 3.14"),
        (1, "aarch64", "wants a 64-bit x86 machine .x86-64., and this is aarch64"),
        (2, {"fma", "sse4_2"}, "this CPU lacks AVX2"),
        (2, set(), "lacks AVX2 and FMA"),
    ],
)
def test_what_is_wrong_is_one_sentence(place, value, words):
    given_ = list(GOOD)
    given_[place] = value

    assert re.search(words, machine.fault(*given_))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/data/my project", "with a blank in its name"),
        ("/data/o'brien/p", "with ' in its name"),
        ("/p/copy (2)", r"with a blank and . and . in its name"),
        ("/p/a{b}", "with { and } in its name"),
    ],
)
def test_a_folder_that_snakemake_cannot_run_in_is_one_sentence(path, words):
    assert re.search(words, machine.path_fault(path))


def test_a_folder_may_have_letters_of_any_script():
    assert machine.path_fault("/data/项目/été_2.0-b+c,d@e") is None


@given(st.tuples(st.integers(2, 4), st.integers(0, 30)))
def test_only_the_named_versions_are_good(version):
    assert (machine.fault(version, *GOOD[1:]) is None) == ((3, 11) <= version <= (3, 13))


def test_flags_are_read_where_there_are_any(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu avx2 fma\n")
    assert machine.cpu_flags(tmp_path / "cpuinfo") == {"fpu", "avx2", "fma"}
    assert machine.cpu_flags(tmp_path / "none") is None


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_demo_s_environment_is_wheels_for_every_python_that_is_named(python):
    """As PyPI has them: a CPU build of PyTorch that this machine has for one Python is left out."""
    wheels = ["--only-binary", ":all:", *(w for name in BUILT for w in ("--no-binary", name))]
    where = ["--python-version", python, "--python-platform", "x86_64-manylinux_2_28"]
    done = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", "envs/core.txt", "--quiet", *wheels, *where],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr

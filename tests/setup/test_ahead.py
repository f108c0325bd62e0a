"""What make reports before it starts: what is missing, and the time on this CPU."""

from __future__ import annotations

import pytest

from scripts.common.weights import table
from scripts.setup import ahead


def test_only_what_is_missing_is_counted(tmp_path):
    rows = table()
    whole = sum(row.bytes for row in rows) / 1e6
    assert ahead.missing("demo", tmp_path) == pytest.approx(whole)
    small = ahead.missing("quick", tmp_path)
    assert 100 < small < whole / 5
    (tmp_path / rows[0].model).mkdir()
    (tmp_path / rows[0].model / rows[0].file).touch()
    assert ahead.missing("demo", tmp_path) == pytest.approx(whole - rows[0].bytes / 1e6)


def test_the_models_of_the_quick_path_are_those_that_make_gets():
    makefile = (ahead.ROOT / "Makefile").read_text("utf-8")
    quick = makefile.split("\nquick:")[1].split("\n\n")[0]
    assert f"scripts.setup.assemble_weights {' '.join(ahead.SMALL)}\n" in quick


@pytest.mark.parametrize(
    ("environment", "flags", "cores", "words"),
    [
        (True, {"avx2"}, 2, "missing of models (2,122 MB), media (at most 65 MB). Then it takes"),
        (False, {"avx2"}, 2, "missing of the environment ("),
        (True, {"avx2"}, 2, "(2 cores, without AVX-512 VNNI, so that language models are slow)"),
        (True, {"avx512_vnni"}, 1, "(1 core, with AVX-512 VNNI)"),
        (True, None, 4, "(4 cores, with AVX-512 VNNI)"),
    ],
)
def test_sizes_and_time_are_told_in_a_sentence(environment, flags, cores, words):
    assert words in ahead.report("demo", 2122.3, environment, flags, cores)


def test_more_cores_are_faster_up_to_what_the_jobs_keep_busy():
    minutes = [ahead.report("demo", 0, True, set(), cores).split() for cores in (1, 2, 16)]
    one, two, many = (float(words[words.index("about") + 1]) for words in minutes)
    assert one > two == many


def test_one_minute_is_one():
    assert "about 1 minute on this CPU" in ahead.report("quick", 0, True, set(), 2)


def test_the_readme_says_the_same():
    readme = " ".join((ahead.ROOT / "README.md").read_text("utf-8").split())
    fast, slow = (round(seconds / ahead.BUSY / 60) for seconds in ahead.SECONDS["demo"])
    assert (
        f"about {fast} minutes on two cores of an Intel Xeon with AVX-512, about {slow}" in readme
    )

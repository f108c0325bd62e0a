"""Targets say what they are, and one that is not there gets the nearest name."""

from __future__ import annotations

import re

import pytest

from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.workflow.targets import no_target, refuse_unknown_targets

NAMES, FILES = ["table2", "table3", "all"], ["results/paper/table2.md", "results/paper/agree.md"]


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("tabel2", "'tabel2'; did you mean 'table2'?"),
        ("ALL", "'ALL'; did you mean 'all'?"),
        ("results/paper/tabel2.md", "; did you mean 'results/paper/table2.md'?"),
        ("zzz", "'zzz'; `snakemake --list-target-rules` lists them."),
    ],
)
def test_an_unknown_target_gets_the_nearest_name(name, end):
    assert no_target(name, NAMES, FILES).endswith(end)


def test_another_snakemake_is_told_and_not_trusted():
    with pytest.raises(UserError, match="has no object.dag_settings, .*: pip install -r"):
        refuse_unknown_targets(object())


def test_a_run_names_the_nearest_target(tmp_path, snakemake):
    printed = snakemake("-n", "tabel2", directory=tmp_path, ok=False)
    assert "there is no target 'tabel2'; did you mean 'table2'?" in printed


def test_every_rule_says_what_it_makes():
    """In one line, which `snakemake --list` shows."""
    texts = [file.read_text("utf-8") for file in (ROOT / "Snakefile", *ROOT.glob("rules/*.smk"))]
    rules = [rule for text in texts for rule in re.findall(r"^ *rule (\w+):\n(.*)$", text, re.M)]
    assert len(rules) > 60
    assert [name for name, line in rules if not re.fullmatch(r' +""".{8,}"""', line)] == []

"""A table whose rules stand in a file of their own: that file and a line of the Snakefile."""

from __future__ import annotations

import shutil

from scripts.common.paths import ROOT

LINE = 'include: "rules/analyses.smk"\n'
RULE = """
rule emotions:
    output:
        "results/paper/emotions.csv",


FURTHER_TABLES += rules.emotions.output
"""


def test_a_file_of_rules_adds_its_table_to_the_target_paper(snakemake, tmp_path):
    for name in ("config", "envs", "profiles", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "rules", tmp_path / "rules")
    (tmp_path / "rules/emotion.smk").write_text(RULE)
    text = (ROOT / "Snakefile").read_text("utf-8")
    assert text.count(LINE) == 1
    own = LINE.replace("analyses", "emotion") + LINE
    (tmp_path / "Snakefile").write_text(text.replace(LINE, own))
    own = ("--snakefile", str(tmp_path / "Snakefile"))
    printed = snakemake("-n", "paper", *own, directory=tmp_path)
    assert "results/paper/emotions.csv" in printed

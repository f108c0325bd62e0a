"""A small tests/config/scale.yaml: what one more role and one more system cost."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from benchmarks import scale
from scripts.common.paths import ROOT
from scripts.common.tables import read_table

CONFIG = [str(ROOT / path) for path in scale.CONFIG]
ROLES = ("liyunlong", "Luna")  # one of each language, each with a film
SIZE = {
    "shards": 2,
    "write": {"single": 20, "multi": 10},
    "split": {"single": 1, "multi": 1},
    "evaluate": ["system-1"],
    "judge_audit": {"items": 2},
}
TARGETS = ("--", "judging", "results/judging/judge/probes.jsonl")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with the tables and films of two roles, and their rows."""
    home = tmp_path_factory.mktemp("scale")
    paper = ROOT / "config/paper"
    roles = [row for row in read_table(paper / "roles.tsv", "roles") if row["role"] in ROLES]
    works = {row["work"] for row in roles}
    media = [row for row in read_table(paper / "media.tsv", "media") if row["work"] in works]
    for number, row in enumerate(media):
        scale.film(home / row["location"], number)
    two = {
        "media": scale.table(home / "two_media.tsv", media),
        "roles": scale.table(home / "two_roles.tsv", roles),
    }
    (home / "small.yaml").write_text(yaml.safe_dump(SIZE | two))
    return home, media, roles


def test_one_more_role_or_system_costs_what_is_its_own(small, snakemake):
    home, media, roles = small
    config = ["--configfile", *CONFIG, str(home / "small.yaml")]
    snakemake(*config, *TARGETS, directory=home)
    before = scale.asked(home)
    assert before["generate"] == 2 * (1 + 3)  # a profile, two calls of single turns, one of multi
    medium = scale.newcomer(home, media, roles)
    config.append(str(home / "role.yaml"))
    snakemake(*config, *TARGETS, directory=home)
    new, needed = scale.asked(home) - before, scale.expected(home, medium)
    assert {what: (n, needed[what]) for what, n in new.items() if n > needed[what]} == {}
    for what in ("generate", "embed", "transcribe", "reply", "voice"):
        assert new[what] == needed[what] > 0

    (home / "system.yaml").write_text(yaml.safe_dump({"evaluate": ["system-1", scale.NEXT]}))
    config.append(str(home / "system.yaml"))
    planned = snakemake(*config, "--dry-run", *TARGETS, directory=home)
    jobs = scale.jobs(planned)
    assert {("respond", scale.NEXT), ("judge", scale.NEXT)} < set(jobs)
    assert all(of == scale.NEXT or scale.of_tables(name) or name == "judging" for name, of in jobs)


def test_a_rule_makes_a_table_wherever_it_stands(tmp_path, monkeypatch):
    """Rules of a new capability and its table may have a file of their own."""
    assert all(map(scale.of_tables, ("table2", "agree", "paper", "probe", "all")))
    assert not any(map(scale.of_tables, ("judge", "respond", "rate")))
    (tmp_path / "rules").mkdir()
    rule = 'rule {0}:\n    script:\n        "../scripts/{1}/{0}.py"\n\n\n'
    both = rule.format("label_clips", "corpus") + rule.format("emotions", "paper")
    (tmp_path / "rules/emotion.smk").write_text(both)
    monkeypatch.setattr(scale, "ROOT", tmp_path)
    assert scale.of_tables("emotions") and not scale.of_tables("label_clips")


def test_all_models_of_the_simulation_are_simulated():
    """The paper's roles, media, counts and shards; no model of it, and no service."""
    overlay = yaml.safe_load(Path(CONFIG[1]).read_text("utf-8"))
    paper = yaml.safe_load(Path(CONFIG[0]).read_text("utf-8"))
    assert not {"media", "roles", "shards", "split"} & set(overlay)
    assert {model["backend"] for model in overlay["models"].values()} == {"simulated"}
    assert len(overlay["evaluate"]) == 9 and paper["write"]["single"] == 800

"""How a run begins, and what `only` leaves of it."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.workflow.way_in import narrowed, needed, refuse_lonely, typed, with_models
from scripts.workflow.workload import size

ROLES = [
    {"role": role, "work": work, "pool": pool, "language": "English"}
    for role, work, pool in (
        ("joe", "The Flight", "train"),
        ("ann", "The Flight", "out_of_domain"),
        ("zoe", "A Game", "train"),
        ("ian", "A Game", ""),
    )
]
MEDIA = [
    {"media": "one", "work": "The Flight", "batch": "a"},
    {"media": "two", "work": "A Game", "batch": "a"},
    {"media": "three", "work": "", "batch": "b"},
]


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8")) | {
        "only": {"roles": [], "items": None}
    }


def test_by_default_all_roles_play_and_all_media_are_used(config):
    before = yaml.safe_dump(config)
    assert narrowed(config, ROLES, []) == ROLES and needed(config, MEDIA, ROLES) == MEDIA
    assert yaml.safe_dump(config) == before


def test_others_than_the_chosen_roles_are_looked_for_and_not_played(config):
    config["only"]["roles"] = ["joe"]
    roles = narrowed(config, ROLES, [])
    assert [row["role"] for row in roles] == ["joe", "ann", "zoe", "ian"]
    assert [row["role"] for row in roles if row["pool"]] == ["joe"]
    assert [row["media"] for row in needed(config, MEDIA, roles)] == ["one"]


def test_as_few_dialogues_are_written_as_a_smoke_run_tests(config):
    config["only"]["items"] = 2
    config["write"] |= {"single": 800, "multi": 3}
    config["split"] |= {"single": 5, "multi": 1}
    narrowed(config, ROLES, [])
    assert (config["write"]["single"], config["write"]["multi"]) == (4, 3)
    assert (config["split"]["single"], config["split"]["multi"]) == (2, 1)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["Mater", "a: b", "2026-01-01", "["]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["all", "judge"]), inner),
)


@given(VALUES)
def test_values_of_the_command_line_are_those_of_a_file(value):
    """Snakemake reads them with a loader that leaves all as text."""
    text = yaml.safe_dump(value)
    assert typed(yaml.load(text, Loader=yaml.BaseLoader)) == yaml.safe_load(text)


def test_released_scores_may_be_of_other_roles(config):
    """They are of the paper's roles, or of the run's."""
    config["only"]["roles"] = ["hutao"]
    scored = [{"role": "hutao", "pool": "train"}]
    assert not [row for row in narrowed(config, ROLES, scored) if row["pool"]]
    with pytest.raises(UserError, match="no role of this run is 'hutao'"):
        narrowed(config, ROLES, [])


@pytest.mark.parametrize("role, near", [("jo", "did you mean 'joe'?"), ("ian", "'ian'")])
def test_a_role_that_does_not_play_cannot_be_chosen(role, near, config):
    config["only"]["roles"] = [role]
    with pytest.raises(UserError, match="only.roles: no role of this run is") as caught:
        narrowed(config, ROLES, [])
    assert near in str(caught.value)


def test_batches_are_those_of_the_table(config):
    config["batches"] = ["b"]
    assert [row["media"] for row in needed(config, MEDIA, ROLES)] == ["three"]
    config["batches"] = ["c"]
    with pytest.raises(UserError, match="no row of config/media.tsv is of batch 'c'"):
        needed(config, MEDIA, ROLES)


def test_models_of_an_overlay_are_known_and_the_configs_options_count(config):
    config["models"]["gemini-2.5-pro"] = {"protocol": "joint"}
    models = with_models(config, str(ROOT / "config/paper.yaml"))
    assert models["gemini-2.5-pro"]["backend"] == "gemini"
    assert models["gemini-2.5-pro"]["protocol"] == "joint"
    assert models["objective"] == config["models"]["objective"] and "Qwen2.5-Omni" in models


def test_voices_without_a_benchmark_are_refused(config):
    refuse_lonely(config)
    with pytest.raises(UserError, match="voices: x belongs to a benchmark, and `benchmark` names"):
        refuse_lonely(config | {"voices": "x"})


def test_each_set_of_references_is_judged_and_so_counted(config):
    tested = size(config, [], ROLES, ["IA"]).tested
    config |= {"benchmark": "folder", "reference": "all"}
    assert size(config, [], ROLES, ["IA"]).tested == {mode: 3 * n for mode, n in tested.items()}

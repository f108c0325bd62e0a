"""deviations: what a configuration does beside what the paper did, without a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from scripts.common.tables import read_table
from scripts.paper.deviations import COMPUTED, FIXED, PARTS, TITLES, deviations
from scripts.paper.report.published import PAPER_METRICS, SYSTEMS, read_published
from tests.paper.made_up import PUBLISHED, cells, outputs

ROOT = PUBLISHED.parents[1]
ENDS = read_table(ROOT / "config/service_ends.tsv", "service_ends")
SETUP = read_published(PUBLISHED / "setup.tsv")
OVERLAYS = [(), ("quick",), ("paper",), ("paper", "open"), ("paper", "as_published")]


def merged(*names: str, **changes) -> dict:
    settings: dict = {}
    for name in ("config", *names):
        update_config(settings, yaml.safe_load((ROOT / f"config/{name}.yaml").read_text("utf-8")))
    update_config(settings, changes)
    return settings


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Runs the stage in an empty folder on a configuration: rows by (part, what), and the page."""
    monkeypatch.chdir(tmp_path)

    def go(settings: dict, items: Path | None = None, **changes):
        deviations(
            PUBLISHED / "setup.tsv",
            PUBLISHED / "roles.tsv",
            items or ROOT / settings["test_items"],
            **outputs(tmp_path),
            settings=settings,
            **{
                "roles": read_table(ROOT / settings["roles"], "roles"),
                "media": read_table(ROOT / settings["media"], "media"),
                "metrics": list(PAPER_METRICS),
                "services": ENDS,
            }
            | changes,
        )
        rows = {(row["part"], row["what"]): row for row in cells(tmp_path / "table.csv")}
        return rows, (tmp_path / "table.md").read_text("utf-8")

    return go


def same(rows) -> dict[str, str]:
    return {f"{part}, {what}": row["same"] for (part, what), row in rows.items()}


@pytest.mark.parametrize("names", OVERLAYS)
def test_every_point_is_answered_for_every_shipped_configuration(told, names):
    rows, page = told(merged(*names))
    assert {(row["part"], row["what"]) for row in SETUP} <= rows.keys()
    assert all(row["run"] and row["paper"] and row["source"] for row in rows.values())
    assert {row["same"] for row in rows.values()} == TITLES.keys()
    counts = [sum(row["same"] == key for row in rows.values()) for key in ("no", "yes", "open")]
    assert sum(counts) == len(rows)
    assert (
        f"Of {len(rows)} points {counts[0]} differ from the paper, {counts[1]} agree with it and "
        f"{counts[2]} are left open by it."
    ) in page
    assert [page.index(f"## {title}") for title in TITLES.values()]


def test_the_table_of_the_papers_setup_is_whole():
    assert all(row["part"] in PARTS and row["what"] and row["source"] for row in SETUP)
    assert len({(row["part"], row["what"]) for row in SETUP}) == len(SETUP)
    named = {str(row["key"])[1:] for row in SETUP if str(row["key"]).startswith("=")}
    assert named == {*FIXED, *COMPUTED}
    assert tuple(row["what"] for row in SETUP if row["key"] == "=system") == SYSTEMS


def test_the_papers_overlay_differs_where_it_must_and_says_so(told):
    rows, _ = told(merged("paper"))
    found = same(rows)
    assert rows["systems", "GPT-4o Audio"]["run"] == "not evaluated; GPT-Audio-1.5 stands in"
    # Emilia's parts; the voice of the users; words of our own; a system that is gone.
    for what in (
        *(
            "corpus, separation",
            "corpus, diarization",
            "corpus, framework",
            "corpus, transcription",
            *("corpus, loudness", "corpus, language of a clip", "corpus, where it is detected"),
            "corpus, filter on the pace of the text",
        ),
        *("dialogues, voice of the users", "dialogues, choice of test items"),
        *("judging, wording of the prompts", "dialogues, wording of the prompts"),
        *("systems, GPT-4o Audio", "systems, GPT-Audio-1.5"),
    ):
        assert found.pop(what) == "no", what
    for what in (
        *("corpus, works", "roles, roles", "roles, pools", "corpus, longest clip"),
        *("corpus, lowest quality", "roles, identification", "dialogues, writer"),
        *("dialogues, embedding, Chinese", "dialogues, voice of the roles", "judging, judge"),
        *("judging, protocol", "judging, order of the sides", "systems, rank of LoRA"),
        *(f"systems, {name}" for name in SYSTEMS if name != "GPT-4o Audio"),
    ):
        assert found.pop(what) == "yes", what
    for what in ("judging, sample rate heard", "judging, temperature", "systems, temperature"):
        assert found[what] == "open", what
    assert "htdemucs" in rows["corpus", "separation"]["run"]
    assert "16 kHz" in rows["judging", "sample rate heard"]["run"]
    assert "zh_female_xiaohe" in rows["dialogues", "voice of the users"]["run"]


def test_models_that_are_replaced_are_named(told):
    rows, _ = told(merged("paper", "open"))
    for what in ("identification", "writer", "Alibaba Cloud API", "judge"):
        (row,) = [row for (_, own), row in rows.items() if own == what]
        assert row["same"] == "no", what
    assert "qwen3-8b" in rows["dialogues", "writer"]["run"]
    assert rows["systems", "Alibaba Cloud API"]["run"] == "not evaluated"
    assert "user_clip_english" in rows["dialogues", "voice of the users"]["run"]
    assert "user_clip_english" not in rows["dialogues", "voice of the roles"]["run"]
    assert rows["judging", "protocol"]["run"] == "objective has no such option"


def test_the_protocol_of_the_released_scores_is_not_the_printed_one(told):
    rows, _ = told(merged("paper", "as_published"))
    assert [rows["judging", "protocol"][key] for key in ("run", "same")] == ["joint", "no"]
    assert rows["judging", "temperature"]["run"] == "0"
    assert rows["judging", "longest recording heard"]["run"] == "60"
    assert "judge_joint.md" in rows["judging", "wording of the prompts"]["run"]


def test_a_value_of_the_papers_turns_a_deviation_into_agreement(told):
    settings = merged(
        "paper", write={"temperature": 1, "excerpts": "all"}, rate={"lowest_ovrl": 2.5}
    )
    found = same(told(settings)[0])
    assert (
        found["dialogues, temperature"] == found["dialogues, script shown to the writer"] == "yes"
    )
    assert found["corpus, lowest quality"] == "no"


def test_curated_items_are_counted(told, tmp_path):
    settings = merged("paper", roles="config/roles.tsv", split={"single": 1, "multi": 0})
    row = told(settings)[0]["dialogues", "choice of test items"]
    assert (row["run"], row["same"]) == ("0 of 4 by hand, the others by hash", "no")
    lines = ["role\tmode\tid", *(f"joe\tsingle\t{n:012x}" for n in range(4))]
    (tmp_path / "items.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    assert (
        told(settings, tmp_path / "items.tsv")[0]["dialogues", "choice of test items"]["same"]
        == "yes"
    )


def test_files_of_the_roles_are_counted(told):
    roles = read_table(ROOT / "config/paper/roles.tsv", "roles")
    roles = [
        row | {"profile": "p.txt", "script": "s.txt" if n else ""} for n, row in enumerate(roles)
    ]
    row = told(merged("paper"), roles=roles)[0]["roles", "profiles and scripts"]
    assert row["same"] == "no"
    assert row["run"].startswith(
        "98 profiles and 97 scripts of 98 roles are files of yours; the oth"
    )
    whole = [row | {"script": "s.txt"} for row in roles]
    row = told(merged("paper"), roles=whole)[0]["roles", "profiles and scripts"]
    assert row["same"] == "yes" and "heard" not in row["run"]


def test_another_metric_another_role_and_nobody_to_identify_are_deviations(told):
    settings = merged("paper")
    settings["identify"]["llms"] = []
    roles = read_table(ROOT / "config/paper/roles.tsv", "roles")[1:]
    rows, _ = told(settings, roles=roles, metrics=[*PAPER_METRICS, "Wit"])
    assert rows["roles", "identification"]["run"] == "none"
    assert rows["roles", "roles"]["run"] == "97: 82 English and 15 Chinese; 97 of them the paper's"
    for place in (("roles", "identification"), ("roles", "roles"), ("judging", "metrics")):
        assert rows[place]["same"] == "no"


def test_of_a_benchmark_what_it_stands_for_is_as_released(told):
    """No model of a stage that does not run is told, and nothing is called chosen by hash."""
    roles = read_table(ROOT / "config/paper/roles.tsv", "roles")
    settings = merged("benchmark", reference=2, evaluate=["cascade-1.5b"])
    settings |= {"released_replies": {"mine": "answers/mine", "Qwen2.5-Omni": "answers/omni"}}
    settings["models"] = merged("paper", "benchmark")["models"]
    rows, page = told(settings, roles=roles, media=[])
    early = {row["what"]: row["run"] for row in rows.values() if row["part"] not in PARTS[3:]}
    own = ("roles", "pools", "single-turn test items a role", "multi-turn test items a role")
    assert {run for what, run in early.items() if what not in own} == {"as released"}
    assert early["roles"].startswith("98: 82 English and 16 Chinese")
    assert rows["judging", "reference"]["run"] == "as released, set 2"
    assert rows["judging", "protocol"]["run"] == "joint"
    assert rows["systems", "mine"]["run"].startswith("answers recorded in answers/mine")
    assert rows["systems", "Qwen2.5-Omni"]["run"].startswith("answers recorded in answers/omni")
    assert rows["systems", "GPT-4o Audio"]["run"] == "not evaluated"
    assert "`benchmark` stands in for media, roles and dialogues" in page
    assert "`benchmark` stands in" not in told(merged())[1]


def test_released_scores_are_told(told):
    page = told(merged(released_scores=["scores.csv"]))[1]
    assert "`released_scores` stand in for the run" in page
    assert "`released_scores`" not in told(merged())[1]

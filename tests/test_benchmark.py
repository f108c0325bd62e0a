"""The released benchmark as a user scores a system on it: `--config benchmark=...`."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import soundfile
import yaml

from scripts.common.paths import ROOT
from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import read_all
from scripts.rows.judging import Verdict
from scripts.rows.systems import Reply
from tests.benchmark.release import CAST, make

SIMULATED = ("config/paper.yaml", "tests/config/scale.yaml")
TABLES = ("table2", "table3", "differences")
ROUTE = {"import_roles", "import_dialogues", "respond", "judge", "total"}


def planned(printed: str) -> dict[str, int]:
    """The number of jobs of each rule that a dry run announces."""
    stats = printed.split("Job stats:")[1] if "Job stats:" in printed else ""
    return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE)}


def given(folders, **settings) -> list[str]:
    """Arguments with settings of the config."""
    return ["--config", *(f"{key}={json.dumps(v)}" for key, v in (folders | settings).items())]


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return make(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def run(release, snakemake, tmp_path_factory):
    """A finished run of a simulated system, and its files of configuration."""
    home = tmp_path_factory.mktemp("run")
    own = {**release.config, "shards": 2, "evaluate": ["system-1"], "max_missing": 0.5}
    (home / "own.yaml").write_text(yaml.safe_dump(own))
    config = ["--configfile", *(str(ROOT / path) for path in SIMULATED), str(home / "own.yaml")]
    snakemake(*TABLES, "export_inputs", "export_scores", *config, directory=home)
    return home, config


@pytest.fixture(scope="module")
def dry(release, snakemake, tmp_path_factory):
    """The output of a dry run with the default models and judge, and the paper's roles without
    their table."""
    arguments = ("-n", *TABLES, *given(release.config))
    return snakemake(*arguments, directory=tmp_path_factory.mktemp("dry"))


def test_no_corpus_role_or_dialogue_is_made(dry):
    jobs = planned(dry)
    assert set(jobs) == ROUTE | set(TABLES) and jobs["respond"] == jobs["judge"] == 3


def test_all_makes_what_a_benchmark_can_show(release, snakemake, tmp_path):
    jobs = set(planned(snakemake("-n", "all", *given(release.config), directory=tmp_path)))
    assert {"table2", "table7", "figure2", "figure3", "figure5", "agree", "judge_audit"} < jobs
    assert not {"fetch", "write", "speak", "table1", "figure4", "corpus_quality"} & jobs


def test_a_user_is_told_what_the_benchmark_is_before_the_first_job(dry):
    assert "16 dialogues (Chinese 8, English 8) of 4 roles are scored, where the release" in dry
    assert "8 files of macOS's archives are passed over" in dry


def test_the_overlay_judges_as_published_or_with_open_models(release, snakemake, tmp_path):
    overlays = [str(ROOT / f"config/{name}.yaml") for name in ("benchmark", "open")]
    own = given(release.config, evaluate=["Qwen2.5-Omni"])
    for files, judge in ((overlays[:1], "judge_by_service"), (overlays, "judge")):
        arguments = ("-n", *TABLES, "--configfile", *files, *own)
        jobs = planned(snakemake(*arguments, directory=tmp_path))
        assert set(jobs) == ROUTE - {"judge"} | {judge} | set(TABLES)
    small = given(release.config, evaluate=["cascade-0.5b"], judge="objective", only={"items": 1})
    arguments = ("-n", *TABLES, "--configfile", overlays[0], *small)
    assert planned(snakemake(*arguments, directory=tmp_path))["judge"] == 8  # one a shard
    overlay = yaml.safe_load(Path(overlays[0]).read_text("utf-8"))
    as_published = yaml.safe_load((ROOT / "config/as_published.yaml").read_text("utf-8"))
    assert overlay["models"] == as_published["models"] and overlay["judge"] == "gemini-2.5-pro"


def test_without_its_folders_it_says_which(snakemake, tmp_path):
    overlay = ("--configfile", str(ROOT / "config/benchmark.yaml"))
    printed = snakemake("-n", "table2", *overlay, directory=tmp_path, ok=False)
    assert "test_data does not exist; the released one has single_turn/{role}.json" in printed


def test_an_agent_cannot_be_trained_on_a_benchmark(release, snakemake, tmp_path):
    own = given(release.config, evaluate=["SpeechRole-Agent"])
    printed = snakemake("-n", "table2", *own, directory=tmp_path, ok=False)
    assert "a benchmark has no dialogues to train it on; give models.SpeechRole-Agent.adapter" in (
        printed
    )


def test_beside_other_systems_an_untrained_agent_is_left_out_and_that_is_told(
    release, snakemake, tmp_path
):
    """As the two overlays are typed, without a system of one's own."""
    overlays = [str(ROOT / f"config/{name}.yaml") for name in ("benchmark", "open")]
    arguments = ("-n", *TABLES, "--configfile", *overlays, *given(release.config))
    printed = snakemake(*arguments, directory=tmp_path)
    assert "the folder of a trained one. It is left out." in " ".join(printed.split())
    assert planned(printed)["respond"] == 5 * 8  # systems, shards


def test_without_a_system_nothing_is_scored_and_that_is_told(release, snakemake, tmp_path):
    printed = snakemake(
        "-n", "export_inputs", *given(release.config, evaluate=[]), directory=tmp_path
    )
    assert "No system is scored" in printed
    assert set(planned(printed)) == {"import_roles", "import_dialogues", "export_inputs", "total"}


def test_two_systems_of_one_name_are_refused(release, snakemake, tmp_path):
    own = given(release.config, evaluate=["cascade-0.5b"], released_replies={"Cascade-0.5b": "x"})
    printed = " ".join(snakemake("-n", "table2", *own, directory=tmp_path, ok=False).split())
    assert (
        "evaluate and released_replies: 'cascade-0.5b' and 'Cascade-0.5b' are one name" in printed
    )


def test_a_broken_benchmark_is_refused_before_any_job(release, snakemake, tmp_path):
    home = shutil.copytree(release.home, tmp_path / "copy")
    (home / "test data/single_turn/Mater.json").write_text('[{"dialogue": [')
    config = {
        key: value.replace(str(release.home), str(home)) for key, value in release.config.items()
    }
    printed = snakemake("-n", "table2", *given(config), directory=tmp_path, ok=False)
    assert "Mater.json is not whole JSON" in printed and "Traceback" not in printed


def test_every_item_is_scored_in_tables(run):
    home, _ = run
    with (home / "results/paper/table2.csv").open(encoding="utf-8", newline="") as file:
        own = [row for row in csv.DictReader(file) if row["source"] == "run"]
    assert {(row["language"], row["IA_n"], row["IA_missing"]) for row in own} == {
        *(("English", "8", "0"), ("Chinese", "8", "0")),
    }
    rows = read_all((home / "results/systems/system-1").glob("*.jsonl"), Reply)
    assert {row.role for row in rows} == set(CAST) and len(rows) == 16


def test_a_second_run_has_nothing_to_do(run, snakemake):
    home, config = run
    arguments = (*TABLES, "export_inputs", "export_scores", *config)
    assert "Nothing to be done" in snakemake("-n", *arguments, directory=home)


def recorded(home: Path, run: Path, shape: str, system: str = "system-1") -> Path:
    """The replies of a run as somebody else would record them, with other names and as WAV."""
    replies = read_all((run / f"results/systems/{system}").glob("*.jsonl"), Reply)
    items = {
        row.id: row for row in read_all((run / "results/dialogues/test").glob("*.jsonl"), Dialogue)
    }
    table, documents = [("role", "mode", "idx", "turn", "audio", "text")], {}
    (home / "sound").mkdir(parents=True)
    for reply in replies:
        if reply.dropped:
            continue
        item = items[reply.id]
        turns = []
        for number, turn in enumerate(reply.turns, start=1):
            (source,) = (run / f"results/systems/{system}").glob(f"*/{turn.audio}")
            path = home / f"sound/{len(table)}.wav"
            soundfile.write(path, *soundfile.read(source, dtype="int16"))
            table.append((item.role, item.mode, item.idx, number, f"sound/{path.name}", turn.text))
            output = {"text": turn.text, "audio_path": f"outputs/sound/{path.name}"}
            user = {"text": item.turns[number - 1].user}
            turns.append({"turn": number, "user_input": user, "model_output": output})
        own = documents.setdefault((item.mode, item.role), {"role": item.role})
        own[f"dialogue_{item.idx}"] = turns
    if shape == "table":
        with (home / "answers.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(table)
        return home / "answers.csv"
    for (mode, role), document in documents.items():
        path = home / mode / f"{CAST[role]}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    return home


def test_recorded_replies_give_the_same_scores_to_the_last_digit(run, snakemake, tmp_path):
    """In both shapes, beside the system itself, whose jobs do not run again."""
    home, config = run
    folders = {
        "their-json": str(recorded(tmp_path / "json", home, "authors")),
        "their-table": str(recorded(tmp_path / "table", home, "table")),
    }
    more = tmp_path / "more.yaml"
    more.write_text(yaml.safe_dump({"released_replies": folders}))
    arguments = (*TABLES, *config, str(more))
    jobs = planned(snakemake("-n", *arguments, directory=home))
    assert jobs["import_replies"] == jobs["judge"] == 4 and "respond" not in jobs
    snakemake(*arguments, directory=home)
    scores = {}
    for name in ("system-1", *folders):
        rows = read_all((home / f"results/judging/judge/{name}").glob("*.jsonl"), Verdict)
        scores[name] = {(row.id, row.metric): (row.score_test, row.score_ref) for row in rows}
        assert len(rows) == 16 * 8 and not [row for row in rows if row.score_test is None]
    assert scores["their-json"] == scores["their-table"] == scores["system-1"]
    page = (home / "results/paper/table2.md").read_text("utf-8")
    assert f"`their-table` = answers recorded in `{folders['their-table']}`." in page
    with (home / "results/paper/table3.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "run"]
    by_system: dict[str, list] = {}
    for row in rows:
        by_system.setdefault(row.pop("system"), []).append(row)
    assert by_system["their-json"] == by_system["their-table"] == by_system["system-1"]


def test_a_smoke_run_has_its_roles_and_items_only(run, release, snakemake, tmp_path):
    only = {"roles": ["Mater", "hutao"], "items": 1}
    own = given(release.config, only=only)
    printed = snakemake("-n", "table2", *own, directory=tmp_path)
    assert "4 dialogues (" in printed and "of 2 roles are scored" in printed
    own = given(release.config, only={"roles": ["Mate"]})
    printed = snakemake("-n", "table2", *own, directory=tmp_path, ok=False)
    assert "only.roles: no role of this run is 'Mate'; did you mean 'Mater'?" in printed


def test_a_smoke_run_from_media_has_their_films_and_few_dialogues(snakemake, tmp_path):
    """The paper's 98 roles and 90 films are not needed for one of them."""
    files = ("--configfile", *(str(ROOT / path) for path in SIMULATED))
    (tmp_path / "answers.tsv").write_text(
        "role\tmode\tidx\tturn\taudio\ttext\nMater\tsingle\t0\t1\t\t\n"
    )
    recorded = {"theirs": str(tmp_path / "answers.tsv")}
    own = given({}, only={"roles": ["Mater"], "items": 1}, evaluate=["system-1"], shards=1)
    own.append(f"released_replies={json.dumps(recorded)}")
    targets = ("table2", "export_inputs", "export_scores")
    jobs = planned(snakemake("-n", *targets, *files, *own, directory=tmp_path))
    assert jobs["fetch"] == jobs["write"] == jobs["respond"] == jobs["import_replies"] == 1
    assert jobs["judge"] == 2 and not [
        name for name in jobs if name.startswith("import_r") and name != "import_replies"
    ]

"""config/paper.yaml: the paper's whole graph from a bare checkout, its cost, what is missing; and
the overlays on top of it."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import yaml

from scripts.common import weights
from scripts.common.tables import read_table
from scripts.services.model_versions import same_model
from scripts.workflow import specs
from tests.test_workflow import planned

ROOT = Path(__file__).resolve().parents[1]
PAPER = (f"--configfile={ROOT / 'config/paper.yaml'}",)
OVERLAY = yaml.safe_load((ROOT / "config/paper.yaml").read_text("utf-8"))
DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
MODELS = {**DEFAULT["models"], **OVERLAY["models"]}
SCIENCE = ("numpy", "torch", "pandas", "scipy", "soundfile", "matplotlib", "transformers")
METRICS = len(read_table(ROOT / "config/metrics.tsv", "metrics"))
STAGES = {
    *("separate", "diarize", "transcribe", "identify", "choose_voices", "profile", "write"),
    *("classify", "deduplicate", "speak_users", "speak", "respond", "judge"),
    *("speak_probes", "probe"),
}
KEYS = ("OPENAI_API_KEY", "OPENROUTER_API_KEY", "DASHSCOPE_API_KEY", "VOLCENGINE_API_KEY")
KEYS += ("GEMINI_API_KEY",)
# Costs and what is missing do not depend on the number of shards; the time of a dry run does.
ONE_SHARD = ("--config", "shards=1")
MISSING, STOPPED = "What is missing:", "Nothing was run: what is listed above is missing."


def table(name: str) -> list[dict[str, str]]:
    with (ROOT / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader((x for x in file if x[0] != "#"), delimiter="\t"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory, snakemake):
    """The output of the dry run of everything. There are no weights, and none of the science stack
    can be imported."""
    folder = tmp_path_factory.mktemp("bare")
    for name in SCIENCE:
        (folder / f"{name}.py").write_text(f"raise ImportError('{name} was imported')\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPEECHROLE_WEIGHTS", str(folder / "weights"))
        patch.setenv("PYTHONPATH", str(folder))
        for name in KEYS:
            patch.delenv(name, raising=False)
        return snakemake(*PAPER, "-n", "all", directory=folder / "run")


def over(name: str) -> tuple[str, ...]:
    """An overlay on top of the paper's."""
    return ("--configfile", *(str(ROOT / f"config/{file}.yaml") for file in ("paper", name)))


def by_stage(printed: str) -> dict[str, int]:
    """The number of jobs in the plan; rules of one stage, of which one is local, are added up."""
    jobs: dict[str, int] = {}
    for rule, count in planned(printed).items():
        stage = rule.removesuffix("_by_service")
        jobs[stage] = jobs.get(stage, 0) + count
    return jobs


def costs_of(printed: str) -> dict[str, list[str]]:
    """The table of costs: stage -> jobs, on a GPU, GPU-hours, calls, dollars, models."""
    told = printed.split("Job stats:")[0]
    rows = re.findall(
        r"^(\w+) +(\d+) +(\d+) +([\d.]+) +(\d+) +([\d.]+)(?:  (.+))?$", told, re.MULTILINE
    )
    return {name: cells for name, *cells in rows}


def test_each_service_that_says_what_answered_is_pinned_to_what_is_asked():
    states = {"llm/openai", "dialogue/openai_audio", "judge/gemini", "judge/openai_audio_judge"}
    services = {
        name: model
        for name, model in OVERLAY["models"].items()
        if f"{model['capability']}/{model['backend']}" in states
    }
    assert {"gpt-4.1", "deepseek-v3", "gemini-2.5-pro", "GPT-Audio-1.5"} <= set(services)
    assert all(same_model(model["model"], model["version"]) for model in services.values())


def test_the_whole_graph_is_built_from_a_bare_checkout(bare):
    jobs = by_stage(bare)
    assert STAGES <= set(jobs) and jobs["total"] < 2500
    assert jobs["speak"] == jobs["speak_users"] == 3 * OVERLAY["shards"]
    assert jobs["judge"] == jobs["respond"] == len(OVERLAY["evaluate"]) * OVERLAY["shards"]


def test_jobs_gpu_hours_calls_and_cost_are_told_first(bare):
    printed = bare
    costs, jobs = costs_of(printed), by_stage(printed)
    assert STAGES | {"all"} <= set(costs)
    assert all(int(costs[stage][0]) == jobs[stage] for stage in STAGES)
    assert 100 < float(costs["speak"][2]) < float(costs["all"][2]) < 5000
    assert costs["judge"][3] == str(392 * 8 * METRICS)  # items, systems, metrics
    assert 100 < float(costs["judge"][4]) < float(costs["all"][4]) < 5000
    assert costs["speak"][3:5] == costs["separate"][3:5] == ["0", "0.00"]
    assert "config/speeds.tsv lacks them" not in printed and "Without a price" not in printed
    hours = re.search(r"^Dialogues: about ([\d.]+) hours of speech", printed, re.MULTILINE)
    assert float(hours[1]) == pytest.approx(875.25 + 203.60 + 4.20, rel=0.1)  # the paper's Table 1
    models = {name: row[-1] for name, row in costs.items()}
    assert (models["separate"], models["rate"]) == ("htdemucs", "dnsmos")
    assert models["choose_voices"] == "campplus-zh-cn, pyannote-community-1"
    assert models["finetune"] == "qwen2.5-omni-7b" and "llama-omni-8b" in models["respond"]
    assert (models["judge"], models["write"]) == ("gemini-2.5-pro", "gpt-4.1-2025-04-14")


def test_keys_and_a_limit_of_cost_are_missing_until_they_are_given(bare, snakemake, tmp_path):
    printed = bare
    for name in KEYS:
        assert re.search(rf"^  key      {name} in the environment, for ", printed, re.MULTILINE)
    assert printed.count("  limit    max_usd in the config, for ") == 1
    with pytest.MonkeyPatch.context() as patch:
        for name in KEYS:
            patch.setenv(name, "sk-canary-1")
        given = (*PAPER, *ONE_SHARD, "max_usd={all: 1000, judge: 900}", "-n", "all")
        printed = snakemake(*given, directory=tmp_path / "run")
    assert "  key  " not in printed and "  limit  " not in printed and "sk-canary" not in printed


def test_a_run_without_a_key_stops_before_any_job_and_keyless_targets_are_built(
    snakemake, tmp_path, monkeypatch
):
    """A judge that must be paid for, on the demo's own models."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    overlay = tmp_path / "paid.yaml"
    judge = {"capability": "judge", "backend": "gemini"}
    overlay.write_text(yaml.safe_dump({"models": {"paid": judge}, "judge": "paid"}))
    paid = ("--configfile", str(overlay))
    printed = snakemake("table2", *paid, directory=tmp_path / "run", ok=False)
    assert "  key      GEMINI_API_KEY in the environment, for judge/gemini" in printed
    assert "  limit    max_usd in the config, for judge/gemini" in printed
    assert printed.rstrip().endswith(STOPPED) and "Traceback" not in printed
    assert not (tmp_path / "run/results").exists()
    printed = snakemake("table6", *paid, directory=tmp_path / "run")
    assert MISSING not in printed


def test_without_services_nothing_is_paid(snakemake, tmp_path):
    printed = snakemake("-n", "all", *over("open"), *ONE_SHARD, directory=tmp_path / "run")
    costs = costs_of(printed)
    assert costs["all"][3:5] == ["0", "0.00"] and "  key  " not in printed
    assert "speak_users" not in costs and "_by_service" not in printed
    assert "user_clip_english of tts/cosyvoice2" in printed


def test_as_published_asks_once_for_all_metrics(snakemake, tmp_path):
    printed = snakemake("-n", "all", *over("as_published"), *ONE_SHARD, directory=tmp_path / "run")
    assert costs_of(printed)["judge"][3] == "3136"
    judge = yaml.safe_load((ROOT / "config/as_published.yaml").read_text("utf-8"))["models"]
    (options,) = judge.values()
    assert options == {"protocol": "joint", "order": "paper", "temperature": 0, "longest": 60}


def test_rules_that_ask_a_service_run_where_snakemake_does(tmp_path):
    """On a cluster one host keeps the answers, the limits and the budget."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings

    with SnakemakeApi(OutputSettings(dryrun=True)) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=2),
            config_settings=ConfigSettings(configfiles=[ROOT / "config/paper.yaml"]),
            snakefile=ROOT / "Snakefile",
            workdir=tmp_path,
        )._workflow
        local = {rule.name for rule in workflow.rules if rule.name in workflow._localrules}
    assert local == {
        *("download", "identify", "profile", "write", "classify", "speak_users"),
        *("respond_by_service", "judge_by_service", "probe_by_service", "converse_by_service"),
    }


def test_what_is_missing_is_listed_and_a_dry_run_passes(bare):
    printed = bare
    assert printed.count(MISSING) == 1 and STOPPED not in printed
    for name in ("htdemucs", "qwen3-8b", "llama-3.1-8b", "cosyvoice2-0.5b", "qwen2.5-omni-7b"):
        assert re.search(rf"^  weights  {re.escape(name)}, .*: https://", printed, re.MULTILINE)
    assert "  media    media/2001-a-space-odyssey.mkv (2001: A Space Odyssey)" in printed
    roles = "98 of 98 roles have no voice and no script and no profile, as no medium of their work"
    assert f"  role     {roles} is there: hutao, " in printed
    assert "and 70 more rows of the table" in printed and "`snakemake models`" in printed
    assert "'minilm'" in printed and "`make weights`" in printed


def test_a_real_run_lists_it_and_stops_before_any_job(snakemake, tmp_path, monkeypatch):
    monkeypatch.setenv("SPEECHROLE_WEIGHTS", str(tmp_path / "weights"))
    printed = snakemake(*PAPER, *ONE_SHARD, "--", "all", directory=tmp_path / "run", ok=False)
    assert printed.count(MISSING) == 1 and printed.rstrip().endswith(STOPPED)
    assert "Traceback" not in printed and "Finished jobid" not in printed
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".snakemake"]


def test_what_a_target_does_not_need_does_not_stop_it(snakemake, tmp_path, monkeypatch):
    monkeypatch.setenv("SPEECHROLE_WEIGHTS", str(tmp_path / "weights"))
    printed = snakemake(*PAPER, "table6", "table4", directory=tmp_path / "run")
    assert MISSING not in printed and "GPU-hours" not in printed
    text = (tmp_path / "run/results/paper/table6.csv").read_text("utf-8")
    assert text.count(",run,") == 49


def test_weights_that_are_missing_do_not_stop_their_download(snakemake, tmp_path, monkeypatch):
    monkeypatch.setenv("SPEECHROLE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    jobs = planned(snakemake(*PAPER, "-n", "models", directory=tmp_path / "run"))
    names = {row["model"] for row in weights.hub_table()}
    unused = {"whisper-medium", "faster-whisper-large-v3", "paraformer-zh", "sensevoice-small"}
    unused |= {"ecapa-voxceleb", "wavlm-base-plus-sv", "yi-1.5-9b", "personaplex-7b-v1", "moshiko"}
    assert jobs["download"] == len(names - unused)
    receipt = str(tmp_path / "weights/vocos-mel-24khz/receipt.json")
    printed = snakemake(*PAPER, receipt, directory=tmp_path / "run", ok=False)
    assert MISSING not in printed
    assert "HF_HUB_OFFLINE is set, so 'vocos-mel-24khz' is not downloaded" in printed


def test_the_demo_has_all_it_needs_and_says_nothing(snakemake, tmp_path):
    printed = snakemake("-n", "all", directory=tmp_path)
    assert MISSING not in printed and "GPU-hours" not in printed


def test_the_demo_without_weights_stops(snakemake, tmp_path, monkeypatch):
    monkeypatch.setenv("SPEECHROLE_WEIGHTS", str(tmp_path / "weights"))
    printed = snakemake("corpus", directory=tmp_path / "run", ok=False)
    assert "the model 'spleeter'" in printed and "`make weights`" in printed
    assert printed.rstrip().endswith(STOPPED)


def test_a_missing_medium_is_told_once_and_the_others_go_on(snakemake, tmp_path):
    columns = list(table("config/media.tsv")[0])
    lines = ["\t".join(columns)]
    (tmp_path / "here.mp4").write_bytes(b"")
    for name in ("here", "gone"):
        cells = dict.fromkeys(columns, "") | {"media": name, "batch": "films", "licence": "own"}
        cells |= {"location": str(tmp_path / f"{name}.mp4"), "language": "English"}
        lines.append("\t".join((cells | {"redistribute": "no"})[column] for column in columns))
    (tmp_path / "media.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    own = ("--config", f"media={tmp_path / 'media.tsv'}")
    index = "results/corpus/media/films.jsonl"
    printed = snakemake(index, *own, directory=tmp_path / "run")
    assert printed.count(MISSING) == 1 and f"{tmp_path / 'gone.mp4'} (gone)" in printed
    assert (tmp_path / "run" / index).is_file()


@pytest.mark.parametrize("name", OVERLAY["models"])
def test_each_model_of_the_overlay_is_one(name):
    model = specs.resolve(MODELS, name, MODELS[name]["capability"], "paper.yaml")
    specs.environment(model)
    known = {row["model"] for row in weights.hub_table()}
    assert MODELS[name].get("weights", "qwen3-8b") in known


def test_probes_speak_as_the_references_do(bare):
    """The paper's synthesiser clones the role's voice; a stock voice would be another person."""
    assert OVERLAY["judge_audit"]["tts"] == OVERLAY["speak"]["tts"] == "cosyvoice2"
    assert costs_of(bare)["speak_probes"][-1] == "cosyvoice2-0.5b"
    assert costs_of(bare)["probe"][-1] == "gemini-2.5-pro"


def test_counts_and_thresholds_are_the_papers():
    roles = table("config/paper/roles.tsv")
    assert len(roles) == 98 and sum(row["pool"] == "train" for row in roles) == 78
    assert (OVERLAY["write"]["single"], OVERLAY["write"]["multi"]) == (800, 800)
    assert len(roles) * sum(OVERLAY["split"].values()) == 392
    assert OVERLAY["rate"]["lowest_ovrl"] == 3.0
    segment = {**DEFAULT["segment"], **OVERLAY.get("segment", {})}
    assert (segment["shortest"], segment["longest"]) == (3.0, 10.0)
    english = {**DEFAULT["deduplicate"]["English"], **OVERLAY["deduplicate"].get("English", {})}
    assert english == {"embedding": "minilm", "threshold": 0.9}
    assert OVERLAY["deduplicate"]["Chinese"] == {"embedding": "text2vec", "threshold": 0.85}
    assert len(set(OVERLAY["identify"]["llms"])) == 2


def test_roles_are_the_printed_ones_and_each_has_media():
    roles, media = table("config/paper/roles.tsv"), table("config/paper/media.tsv")
    same = ("role", "category", "language", "gender", "pool")
    published = table("config/published/roles.tsv")
    assert [[row[key] for key in same] for row in roles] == [
        [row[key] for key in same] for row in published
    ]
    assert [row["work"] for row in roles] == [row["source"] for row in published]
    assert {row["work"] for row in media} == {row["work"] for row in roles}
    assert not [row for row in roles if row["language"] == "Chinese" and row["name"].isascii()]
    assert all(row["redistribute"] == "no" for row in media)


def test_the_recipe_for_a_new_judge_scores_an_overlap_with_the_old_one(snakemake, tmp_path):
    """As README has it: both judges score the same replies, and `agree` compares them."""
    readme = (ROOT / "README.md").read_text("utf-8")
    (block,) = re.findall(r"```yaml\n(# rescore\.yaml.*?)```", readme, re.DOTALL)
    (tmp_path / "rescore.yaml").write_text(block)
    overlays = ("--configfile", ROOT / "config/paper.yaml", tmp_path / "rescore.yaml")
    jobs = by_stage(snakemake("-n", "agree", *map(str, overlays), directory=tmp_path / "run"))
    systems, shards = len(OVERLAY["evaluate"]), OVERLAY["shards"]
    assert jobs["judge"] == 2 * systems * shards and jobs["respond"] == systems * shards

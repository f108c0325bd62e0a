"""What a cluster does to jobs, in one run of the three rules: GPUs, memory, time, scancel."""

from __future__ import annotations

import importlib
import json
import re
from types import SimpleNamespace

import pytest

from scripts.workflow import slurm_arrays
from tests.cluster.conftest import THREE
from tests.cluster.slurm import client, until

PLUGIN = "snakemake_executor_plugin_slurm"
TOGETHER = [f"together{n}" for n in range(4)]
ITEMS = ["plain", "large", "slow0", "slow1", "cancelled", "broken", "refused0", "refused1"]
FAIL = ("broken", "refused0", "refused1")


@pytest.fixture(scope="module")
def run(tmp_path_factory, module_head):
    """The folder of the finished run with exit status 1: one job was cancelled externally."""
    targets = [f"infer/{item}.txt" for item in TOGETHER] + [f"one/{item}.txt" for item in ITEMS]
    run = module_head(tmp_path_factory.mktemp("jobs"), "--snakefile", str(THREE), *targets)
    until(lambda: began(run.folder, "one-cancelled"), 120, run.printed()[-3000:])
    client("scancel", began(run.folder, "one-cancelled")[0]["job"])
    assert run.ends(300) == 1
    return run


def began(folder, what: str) -> list[dict]:
    """The reports of the jobs of a rule and item, in order of their start."""
    told = [json.loads(path.read_text()) for path in folder.glob(f"diary/{what}-*.json")]
    return sorted(told, key=lambda one: one["start"])


def made(run, path: str) -> dict:
    return json.loads((run.folder / path).read_text())


def errors(run, item: str) -> list[str]:
    """The head's output about each job of an item that SLURM reports as failed, from then on."""
    said = re.split(
        r"(?=^Error in rule \w+:\n    message: SLURM)", run.printed(), flags=re.MULTILINE
    )
    named = rf"Error in rule one:\n.*\n    jobid: \d+\n    output: one/{item}\.txt\n"
    return [one for one in said if re.match(named, one)]


def test_jobs_that_ask_for_the_same_are_one_array(run):
    """Those of a rule that were ready together, whatever becomes of each; others are apart."""
    for rule in ("many", "infer"):
        assert len({made(run, f"{rule}/{item}.txt")["array"] for item in TOGETHER}) == 1
    first = {item: began(run.folder, f"one-{item}")[0] for item in ITEMS if "refused" not in item}
    array = {item: one["job"].partition("_")[0] for item, one in first.items()}
    alike = {array[item] for item in ("plain", "large", "cancelled", "broken")}
    slow = {array[item] for item in ("slow0", "slow1")}  # they ask for less time
    assert len(alike) == len(slow) == 1 and not alike & slow
    assert all("_" in one["job"] for one in first.values())


def test_an_array_that_slurm_refuses_is_an_error_of_each_of_its_jobs(run):
    said = run.printed()
    refused = re.findall(r"its array of 2 jobs was not submitted: (.*)", said)
    assert refused and all("unrecognized option '--no-such-option'" in one for one in refused)
    for item in ("refused0", "refused1"):
        assert f"    output: one/{item}.txt" in said and not began(run.folder, f"one-{item}")


def test_sacct_is_asked_for_the_tasks_of_arrays(monkeypatch):
    """By the names under which they were submitted. No sacct answers here: it needs a database."""
    for name in ("Executor.run_jobs", "query_job_status_sacct"):
        monkeypatch.setattr(f"{PLUGIN}.{name}", None)
    slurm_arrays.use(SimpleNamespace(array_jobs="all"), set())
    asked = importlib.import_module(PLUGIN).query_job_status_sacct("a-run")
    assert " --format=JobID,State " in asked and asked.endswith("--name a-run")


def test_gpu_jobs_have_one_each_and_others_none(run):
    """Four jobs at once on two nodes with two GPUs each."""
    infer = [made(run, f"infer/{item}.txt") for item in TOGETHER]
    pairs = {(one["SLURMD_NODENAME"], one["CUDA_VISIBLE_DEVICES"]) for one in infer}
    assert pairs == {(node, gpu) for node in ("n1", "n2") for gpu in ("0", "1")}
    assert {one["SLURM_JOB_PARTITION"] for one in infer} == {"gpu"}
    for one in [made(run, f"many/{item}.txt") for item in TOGETHER] + [made(run, "one/plain.txt")]:
        assert one["CUDA_VISIBLE_DEVICES"] is None and one["SLURM_JOB_PARTITION"] == "cpu"
    asked = client("scontrol", "show", "job", infer[0]["job"])
    assert re.search(r"TresPerJob=gres:gpu:1$", asked, re.MULTILINE) and "NumNodes=1 " in asked


def test_a_job_over_its_memory_comes_back_with_more(run):
    first, second = began(run.folder, "one-large")
    assert (first["attempt"], first["end"]) == (1, None)
    job = made(run, "one/large.txt")["job"]
    assert "MinMemoryNode=600M" in client("scontrol", "show", "job", first["job"])
    assert "MinMemoryNode=1200M" in client("scontrol", "show", "job", job)
    assert second["job"] == job and len(errors(run, "large")) == 1


@pytest.mark.parametrize("item", ["slow0", "slow1"])
def test_a_job_over_its_time_is_ended_and_comes_back(run, item):
    (error,) = errors(run, item)
    assert "'TIMEOUT'" in error
    assert [one["end"] is None for one in began(run.folder, f"one-{item}")] == [True, False]


def test_a_cancelled_job_comes_back(run):
    (error,) = errors(run, "cancelled")
    assert "'CANCELLED'" in error
    assert [one["end"] is None for one in began(run.folder, "one-cancelled")] == [True, False]


def test_a_failing_rule_names_its_log_and_leaves_the_others_running(run):
    first, again = errors(run, "broken")
    for error in (first, again):
        rule_log, slurm_log = re.search(r"log: (\S+), (\S+) \(check", error).groups()
        assert rule_log == "logs/one/broken.log" and "this item is broken" in error
        assert "one broken, attempt" in (run.folder / slurm_log).read_text()
    assert not (run.folder / "one/broken.txt").exists()
    # Both may come back at the same moment, so it is the first failure that left it running.
    failed = began(run.folder, "one-broken")[0]["start"]
    assert began(run.folder, "one-slow0")[-1]["end"] > failed
    assert all((run.folder / f"one/{item}.txt").exists() for item in ITEMS if item not in FAIL)

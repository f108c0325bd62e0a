"""Benchmark: the released test set, its voices and profiles, in the rows that other phases read.

Stands in for corpus, roles and dialogues where the config names a `benchmark`.
needs  the config's folders benchmark and voices (layouts: scripts/benchmark/), perhaps profiles
       and scripts; roles.tsv or config/paper/roles.tsv
makes  results/roles/{profiles,voices}.jsonl, results/dialogues/test and its speech
"""

import functools
from collections import Counter

from scripts.benchmark.checks import check, sounds
from scripts.benchmark.layout import MODES
from scripts.benchmark.released import Released
from scripts.paper.report.published import read_published
from scripts.rows.dialogues import in_shard

published_rows = lambda name: read_published(project(f"config/published/{name}.tsv"))
FOLDERS = {key: config[key] and local(config[key]) for key in ("voices", "profiles", "scripts")}
FOLDERS |= {"benchmark": BENCHMARK}
RELEASE = Released(FOLDERS, ROLES, NAMES)
PLAYED = [row for row in ROLES if row["pool"]]
SETS = [1, 2, 3] if config["reference"] == "all" else [config["reference"]]
TASK_TYPES = {
    row["subtask"].casefold(): row["subtask"] for row in published_rows("figure4_task_types")
}
IDENTIFIERS = []  # nobody has to be found


def of_shard(wildcards):
    """The rows of roles.tsv of a shard."""
    return [row for row in PLAYED if in_shard(row["role"], wildcards.shard)]


def files_of_roles(wildcards):
    """The files about all roles, but their speech."""
    return [str(file) for row in PLAYED for file in RELEASE.sources(row["role"])]


@functools.cache
def files_of_role(role):
    """JSON and speech of a role's test dialogues."""
    jsons = [RELEASE.files[role, mode] for mode in MODES]
    return [str(file) for file in (*jsons, *sounds(RELEASE.all_items(role, tuple(SETS))))]


def files_of_dialogues(wildcards):
    """JSON and speech of the test dialogues of a shard."""
    return [file for row in of_shard(wildcards) for file in files_of_role(row["role"])]


if workflow.is_main_process:
    with faults_told():
        (of_test,) = [row for row in published_rows("table1") if row["split"] == "test"]
        each = of_test["samples"] // of_test["characters"]
        printed = Counter(row["language"] for row in each * published_rows("roles"))
        most = config["only"]["items"]
        NOTICES += check(RELEASE, PLAYED, SETS, most, set(TASK_TYPES), printed)


rule import_roles:
    """voices and profiles of a released benchmark"""
    input:
        lambda wildcards: filter(fits, files_of_roles(wildcards)),
    output:
        profiles="results/roles/profiles.jsonl",
        voices="results/roles/voices.jsonl",
        clips=directory("results/roles/voices"),
    log:
        "logs/import_roles.log",
    benchmark:
        "logs/import_roles.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        roles=PLAYED,
        names=NAMES,
        folders=FOLDERS,
        code=code("benchmark/import_roles", files=files_of_roles),
    script:
        "../scripts/benchmark/import_roles.py"


rule import_dialogues:
    """a shard of the dialogues of a released benchmark, with their speech"""
    input:
        lambda wildcards: filter(fits, files_of_dialogues(wildcards)),
    output:
        test="results/dialogues/test/{shard}.jsonl",
        spoken="results/dialogues/speech/test/{shard}.jsonl",
        speech=directory("results/dialogues/speech/test/{shard}"),
    log:
        "logs/import_dialogues/{shard}.log",
    benchmark:
        "logs/import_dialogues/{shard}.tsv"
    conda:
        env_of()
    threads: 1
    resources:
        **job_resources(),
    params:
        roles=of_shard,
        names=NAMES,
        folders=FOLDERS,
        sets=SETS,
        most=config["only"]["items"],
        task_types=TASK_TYPES,
        code=code("benchmark/import_dialogues", files=files_of_dialogues),
    script:
        "../scripts/benchmark/import_dialogues.py"


rule benchmark:
    """a released benchmark, read: dialogues, voices and profiles"""
    input:
        rules.import_roles.output,
        dialogues_of("speech/test"),

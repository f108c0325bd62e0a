"""Checked config and tables, wildcard sets, model specs, environments: what all phases use."""

import functools
import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path

import yaml
from snakemake.utils import update_config

sys.path.insert(0, workflow.basedir)
# Show the traceback of a job that crashes during imports, before it has a log.
os.environ.setdefault("PYTHONFAULTHANDLER", "1")
# Without bytecode on disk each job compiles all that it imports: torch takes 2 s more.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
from scripts.benchmark.layout import cast, names_of
from scripts.common import documents
from scripts.common.errors import UserError
from scripts.common.tables import refuse_duplicates, read_table, refer, unique
from scripts.setup.machine import path_fault
from scripts.systems.recorded import sources
from scripts.workflow import specs
from scripts.workflow.way_in import narrowed, needed, refuse_lonely, typed, with_models
from scripts.workflow.rule_parts import code, fits, job_resources
from scripts.workflow.specs import asks_service, cores  # who asks, runs where the store is

if path_fault(workflow.basedir):
    raise WorkflowError(path_fault(workflow.basedir))


@contextmanager
def faults_told():
    """Ends Snakemake with the sentence of a UserError."""
    try:
        yield
    except UserError as error:
        raise WorkflowError(str(error)) from None


def local(path):
    """A file of the project or of the user; relative paths may be relative to the Snakefile."""
    return path if Path(path).exists() else str(Path(workflow.basedir) / path)


def project(path):
    """`local` as an input of a rule, refused with braces: Snakemake reads them as wildcards."""
    if not fits(path):
        raise WorkflowError(f"the file '{path}' has braces in its name; rename it.")
    return local(path)


def table(key, schema, column=None):
    """The checked rows of the table that config key `key` names; `column` must be unique."""
    path = project(config[key])
    rows = read_table(path, schema)
    if column:
        unique(path, schema, column)
    return rows


USED = {}  # the models of all rules, by name


def model(name, capability, where):
    """The spec of a model of config["models"], by its name."""
    USED[name] = specs.resolve(config["models"], name, capability, where, config["backend_paths"])
    return USED[name]


def stage_model(stage, capability):
    """The spec of the one model of a stage."""
    return model(config[stage][capability], capability, f"{stage}.{capability}")


def env_of(*models):
    """The environment file that the backends of a rule share."""
    with faults_told():
        return f"../envs/{specs.environment(*models)}.yaml"


@functools.cache
def files_of_answers(system):
    """The files of a system's recorded answers."""
    with faults_told():
        return sources(Path(RECORDED[system]), system, NAMES)


def one_of(names):
    """A wildcard pattern that matches the names only; without names, nothing."""
    return "|".join(map(re.escape, sorted(names))) or "(?!)"


update_config(config, typed(workflow.config_settings.config))
with faults_told():
    if config.get("benchmark"):  # the paper's models and roles are known there, too
        config["models"] = with_models(config, project("config/paper.yaml"))
    documents.check(config, "config", "the configuration")
    MEDIA, ROLES = [], table("roles", "roles", "role")
    PAPER_ROLES = read_table(project("config/paper/roles.tsv"), "roles")
    BENCHMARK = config["benchmark"] and local(config["benchmark"])
    if BENCHMARK:  # stands in for media, roles and dialogues
        ROLES = [*ROLES, *PAPER_ROLES]
    NAMES = names_of(ROLES, project("config/published/roles.tsv"))
    if BENCHMARK:
        ROLES = cast(Path(BENCHMARK), "benchmark", ROLES, NAMES)
    else:
        refuse_lonely(config)
        MEDIA = table("media", "media", "media")
        works = {row["work"] for row in ROLES} | {""}
        refer(project(config["media"]), "media", "work", works, config["roles"])
    ROLES = narrowed(config, ROLES, PAPER_ROLES if config["released_scores"] else [])
    MEDIA_USED = [] if BENCHMARK else needed(config, MEDIA, ROLES)
    batches = {row["batch"] for row in MEDIA_USED}
    BATCHES = [name for name in config["batches"] or sorted(batches) if name in batches]
    ROLE_NAMES = [row["role"] for row in ROLES]
    RECORDED = {name: local(path) for name, path in config["released_replies"].items()}
    refuse_duplicates([*config["evaluate"], *RECORDED], "evaluate and released_replies")
    refuse_duplicates([config["judge"], *config["agree"]], "judge and agree")
    SYSTEMS = {name: model(name, "dialogue", "evaluate") for name in config["evaluate"]}
    # The adapters of a system's models that the rule finetune trains. A benchmark has no dialogues
    # for that.
    ADAPTERS = {name: specs.adapters(spec) for name, spec in SYSTEMS.items()}
    UNTRAINED = {
        name: path
        for name, paths in ADAPTERS.items()
        for path in paths
        if BENCHMARK and path.startswith("results/systems/finetune/") and not Path(path).exists()
    }
    for name in UNTRAINED:
        del SYSTEMS[name], USED[name]
    config["evaluate"] = [*SYSTEMS]
    # `judge` fills the tables; the others are for agree and judge_audit only.
    JUDGES = {config["judge"]: model(config["judge"], "judge", "judge")}
    JUDGES |= {name: model(name, "judge", "agree") for name in config["agree"]}

SHARDS = [f"{k}-of-{config['shards']}" for k in range(1, config["shards"] + 1)]
SPLITS = ["test"] if BENCHMARK else ["train", "out_of_domain", "test"]
ANSWERING = [*SYSTEMS, *RECORDED]  # all whose replies are judged
NOTICES = []  # what a user should know before the first job
# The files of one kind of dialogue rows.
dialogues_of = lambda kind: expand(f"results/dialogues/{kind}/{{shard}}.jsonl", shard=SHARDS)


wildcard_constraints:
    batch=one_of(BATCHES),
    shard=one_of(SHARDS),
    split=one_of(SPLITS),
    system=one_of(ANSWERING),
    judge=one_of(JUDGES),

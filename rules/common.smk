"""Checked config and tables, wildcard sets, model specs, environments: what all phases use."""

import os
import sys
from pathlib import Path

import yaml

sys.path.insert(0, workflow.basedir)
# Show the traceback of a job that crashes during imports, before it has a log.
os.environ.setdefault("PYTHONFAULTHANDLER", "1")
from scripts.common import documents
from scripts.common.errors import UserError
from scripts.common.tables import refuse_duplicates, read_table, refer, unique
from scripts.paper.report.released import files_of
from scripts.setup.machine import path_fault
from scripts.workflow import code_digest, requirements, specs

if path_fault(workflow.basedir):
    raise WorkflowError(path_fault(workflow.basedir))


def local(path):
    """A file of the project or of the user; relative paths may be relative to the Snakefile."""
    return path if Path(path).exists() else str(Path(workflow.basedir) / path)


def project(path):
    """`local`, as an input of a rule, which may contain no braces: Snakemake reads them as wildcards."""
    if not fits(path):
        raise WorkflowError(f"the file '{path}' has braces in its name; rename it.")
    return local(path)


def table(key, schema, column=None):
    """The checked rows of the table that config key `key` names; `column` must be unique."""
    path = project(config[key])
    rows = read_table(path, schema)
    if column:
        unique(rows, column, path)
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
    try:
        return f"../envs/{specs.environment(*models)}.yaml"
    except UserError as error:
        raise WorkflowError(str(error)) from None


def gpus(*models):
    """1 if a backend of the rule runs on a GPU."""
    return int(specs.wants_gpu(*models))


def memory_mb(megabytes, *models):
    """Memory of a job in MB, on top of the weights of its models (specs, or functions of the
    wildcards); a resubmitted job requests a multiple of it."""
    room = lambda wildcards: requirements.weights_mb(code_digest.chosen(models, wildcards))
    return lambda wildcards, attempt: attempt * (megabytes + room(wildcards))


def fits(path):
    """Whether a file can be an input: Snakemake reads braces in a path as wildcards."""
    return not set("{}") & set(path)


def stamps(paths):
    """Name, size and modification time of the files that cannot be inputs."""
    stats = [(path, Path(path).stat()) for path in paths if not fits(path)]
    return [f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats]


def code(stage, *models, files=lambda wildcards: []):
    """A param that reruns a job when its code changes, or one of the `files` that cannot be inputs.
    Lazy: every cluster job parses all rules."""
    return lambda wildcards: " ".join(
        [code_digest.code(stage, *code_digest.chosen(models, wildcards)), *stamps(files(wildcards))]
    )


try:
    documents.check(config, "config", "the configuration")
    MEDIA = table("media", "media", "media")
    ROLES = table("roles", "roles", "role")
    BATCHES = config["batches"] or sorted({row["batch"] for row in MEDIA})
    for batch in BATCHES:
        known = {row["batch"] for row in MEDIA}
        if batch not in known:
            raise UserError(
                f"batches: no row of {config['media']} is of batch '{batch}'"
                f"{documents.nearest(batch, known)}"
            )
    works = {row["work"] for row in ROLES} | {""}
    refer(project(config["media"]), "media", "work", works, config["roles"])
    MEDIA_USED = [row for row in MEDIA if row["batch"] in BATCHES]
    refuse_duplicates(config["evaluate"], "evaluate")
    refuse_duplicates([config["judge"], *config["agree"]], "judge and agree")
    SYSTEMS = {name: model(name, "dialogue", "evaluate") for name in config["evaluate"]}
    # `judge` fills the tables; the others are for agree and judge_audit only.
    JUDGES = {config["judge"]: model(config["judge"], "judge", "judge")}
    JUDGES |= {name: model(name, "judge", "agree") for name in config["agree"]}
except UserError as error:
    raise WorkflowError(str(error)) from None

SHARDS = [f"{k}-of-{config['shards']}" for k in range(1, config["shards"] + 1)]
SPLITS = ["train", "out_of_domain", "test"]
# One host holds the response store, the rate limits and the budget: rules that ask a service run on
# the host of Snakemake, on a cluster too.
asks_service = specs.asks_service
cores = specs.cores


wildcard_constraints:
    batch="|".join(map(re.escape, BATCHES)),
    shard="|".join(SHARDS),
    split="|".join(SPLITS),
    system="|".join(map(re.escape, SYSTEMS)),
    judge="|".join(map(re.escape, JUDGES)),


onstart:
    Path("results").mkdir(exist_ok=True)
    Path("results/run_config.yaml").write_text(yaml.safe_dump(dict(config), allow_unicode=True))


onerror:
    print(
        "A job failed; its log is named above. Finished work is kept: mend it and run the same command again."
    )

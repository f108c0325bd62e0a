"""SLURM array jobs: ready jobs of a rule with equal resources are submitted by one sbatch.

The executor plugin has an option for them, slurm-array-jobs, but its version 2.8.0 loses work (seen
in its code and on a real SLURM): each task also runs as the array's first job, so it touches that
job's finished output, which reruns what depends on it, and removes that output if it fails; all
tasks get the first job's resources; if more jobs are ready than `jobs` allows, some are never
submitted and the run never ends; with sacct, all tasks share one task's state; and the log named in
messages does not exist. So the option is kept and the submission replaced: a task runs its own job
only.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.workflow import guards

PLUGIN = "snakemake-executor-plugin-slurm"
PARTS = (  # its private names that are used here
    "Executor.run_job",
    "Executor.run_jobs",
    "job_status_query.query_job_status_sacct",
    "query_job_status_sacct",
    "submit_string.get_submit_command",
    "utils.set_gres_string",
    "validation.validate_or_get_slurm_job_id",
    "validation.validate_slurm_extra",
)
NOT_ASKED = ("tmpdir", "disk")  # prefixes of resources that sbatch never receives


def use(settings: Any, rules: set[str]) -> None:
    """Patch the plugin to submit arrays this way, if its settings name rules for it.

    `settings` are the executor's (None if it has none), `rules` the names of all rules. Raises
    UserError for an unknown rule, and for a plugin of another version or without a private name
    used here.
    """
    if not chosen(settings):
        return
    for name in sorted(chosen(settings) - rules - {"all"}):
        raise UserError(f"slurm-array-jobs: no rule is called '{name}'{nearest(name, rules)}")
    if version(PLUGIN) != guards.tested(PLUGIN):
        raise UserError(
            f"slurm-array-jobs: {PLUGIN} {version(PLUGIN)} is installed, and array jobs need "
            f"{guards.tested(PLUGIN)}: pip install -r envs/slurm.txt, or take the option out of "
            "the profile."
        )
    import snakemake_executor_plugin_slurm as plugin

    for name in PARTS:
        guards.part(plugin, name, PLUGIN)
    plugin.Executor.run_jobs = run_jobs
    plugin.query_job_status_sacct = query_sacct


def chosen(settings: Any) -> set[str]:
    """The rules that the option names; "all" means every rule."""
    named = getattr(settings, "array_jobs", None) or ""
    return {name.strip() for name in named.replace(";", ",").split(",")} - {""}


def query_sacct(run_id: str) -> str:
    """The plugin's sacct command, for sites that use sacct, with jobs identified as the plugin does
    (array_task) and not by each task's raw id."""
    from snakemake_executor_plugin_slurm.job_status_query import query_job_status_sacct

    return query_job_status_sacct(run_id).replace("JobIdRaw", "JobID")


def run_jobs(executor: Any, jobs: list) -> None:
    """Submit ready jobs; replaces the plugin's method of this name."""
    names = chosen(executor.workflow.executor_settings)
    alike = defaultdict(list)
    for job in jobs:
        executor.run_job_pre(job)
        arrayed = not job.is_group() and names & {"all", job.rule.name}
        alike[(job.rule.name, request_of(job)) if arrayed else id(job)].append(job)
    submit = guards.part(executor, "_job_submission_executor.submit", PLUGIN)
    size = guards.part(executor, "max_array_size", PLUGIN)
    for those in alike.values():
        for part in (those[start : start + size] for start in range(0, len(those), size)):
            if len(part) == 1:
                submit(executor.run_job, part[0])
            else:
                submit(run_array, executor, part)


def request_of(job: Any) -> tuple[tuple[str, str], ...]:
    """The resources a job requests from SLURM; a resubmitted job may request more than a new
    one."""
    resources = job.resources.items()
    return tuple(sorted((k, str(v)) for k, v in resources if not k.startswith(NOT_ASKED)))


def run_array(executor: Any, jobs: list) -> None:
    """Submit jobs with equal resources as one array; a failure is an error of each job."""
    folder = executor.slurm_logdir / f"rule_{jobs[0].rule.name}"
    try:
        number = sbatch(executor, jobs, folder)
    except Exception as error:  # in a thread of the plugin, where it would be lost
        for job in jobs:
            message = f"its array of {len(jobs)} jobs was not submitted: {error}"
            executor._report_job_error_threadsafe(SubmittedJobInfo(job), message)
        return
    executor.logger.info(
        f"Jobs {', '.join(str(job.jobid) for job in jobs)} have been submitted as tasks 1 to "
        f"{len(jobs)} of the SLURM array {number} (logs: {folder}/{number}_<task>.log)."
    )
    for task, job in enumerate(jobs, 1):
        name = f"{number}_{task}"
        log = {"slurm_logfile": folder / f"{name}.log"}
        executor._report_job_submission_threadsafe(SubmittedJobInfo(job, name, log))


def sbatch(executor: Any, jobs: list, folder: Path) -> str:
    """Submit an array with one task a job and logs in `folder`; returns its SLURM job id.

    Raises RuntimeError with sbatch's message if it fails, WorkflowError for resources that the
    plugin rejects.
    """
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command
    from snakemake_executor_plugin_slurm.utils import set_gres_string
    from snakemake_executor_plugin_slurm.validation import (
        validate_or_get_slurm_job_id,
        validate_slurm_extra,
    )

    first = jobs[0]
    validate_slurm_extra(first)
    folder.mkdir(parents=True, exist_ok=True)
    asks = {
        "run_uuid": executor.run_uuid,
        "slurm_logfile": folder / "%A_%a.log",
        "comment_str": folder.name,
        "account": next(executor.get_account_arg(first)),
        "partition": executor.get_partition_arg(first),
        "workdir": executor.workflow.workdir_init,
    }
    settings = executor.workflow.executor_settings
    failed = guards.part(executor, "_failed_nodes", PLUGIN)
    command = get_submit_command(first, asks, settings=settings, failed_nodes=failed)
    command += f"{set_gres_string(first)} --array=1-{len(jobs)}"
    tasks = [f"{n})\n{executor.format_job_exec(job)}\n;;" for n, job in enumerate(jobs, 1)]
    script = "\n".join(["#!/bin/sh", "case $SLURM_ARRAY_TASK_ID in", *tasks, "esac\n"])
    done = subprocess.run(command, shell=True, input=script, text=True, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"{done.stderr.strip()}\n    {command}")
    executor._submitted_job_clusters |= {
        first.resources[key]
        for key in ("cluster", "clusters", "slurm_cluster")
        if first.resources.get(key)
    }
    return validate_or_get_slurm_job_id(done.stdout.strip().split(";")[0], done.stdout)

"""SLURM array jobs: ready jobs of a rule that ask for the same are submitted with one sbatch.

The executor plugin has an option for them, slurm-array-jobs. What its version 2.8.0 does with it
loses work (read in its code and tried on a real SLURM): each task also runs as the array's first
job, so it gives that job's finished output a new time, and what was made from it is made again; if
it fails it removes that output; all tasks get what the first job asks for; where more jobs are
ready than `jobs` lets in, some are never submitted and the run does not end; where sacct is asked,
all tasks have the state of one; and the log that messages name does not exist. So the option stays
and the submission is replaced: a task runs its own job, as if alone.
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

PLUGIN = "snakemake-executor-plugin-slurm"
VERSION = "2.8.0"  # its inner names are used here
NOT_ASKED = ("tmpdir", "disk")  # how resources begin that Snakemake adds and sbatch is not told


def use(settings: Any, rules: set[str]) -> None:
    """Have the plugin submit arrays in this way, if its settings name rules for it.

    `settings` are those of the executor (None for one without), `rules` the names of all rules.
    Raises UserError for a name that no rule has, and for another version of the plugin.
    """
    if not chosen(settings):
        return
    for name in sorted(chosen(settings) - rules - {"all"}):
        raise UserError(f"slurm-array-jobs: no rule is called '{name}'{nearest(name, rules)}")
    if version(PLUGIN) != VERSION:
        raise UserError(
            f"slurm-array-jobs: {PLUGIN} {version(PLUGIN)} is installed, and array jobs need "
            f"{VERSION}: pip install -r envs/slurm.txt, or take the option out of the profile."
        )
    import snakemake_executor_plugin_slurm as plugin

    plugin.Executor.run_jobs = run_jobs
    plugin.query_job_status_sacct = query_sacct


def chosen(settings: Any) -> set[str]:
    """The rules that the option names; "all" stands for all."""
    named = getattr(settings, "array_jobs", None) or ""
    return {name.strip() for name in named.replace(";", ",").split(",")} - {""}


def query_sacct(run_id: str) -> str:
    """The plugin's question to sacct, where a site has that asked, for jobs by the names that the
    plugin gives them (array_task): not by the number that each task has beside it."""
    from snakemake_executor_plugin_slurm.job_status_query import query_job_status_sacct

    return query_job_status_sacct(run_id).replace("JobIdRaw", "JobID")


def run_jobs(executor: Any, jobs: list) -> None:
    """Submit jobs that are ready; stands in for the plugin's method of this name."""
    names = chosen(executor.workflow.executor_settings)
    alike = defaultdict(list)
    for job in jobs:
        executor.run_job_pre(job)
        arrayed = not job.is_group() and names & {"all", job.rule.name}
        alike[(job.rule.name, request_of(job)) if arrayed else id(job)].append(job)
    submit, size = executor._job_submission_executor.submit, executor.max_array_size
    for those in alike.values():
        for part in (those[start : start + size] for start in range(0, len(those), size)):
            if len(part) == 1:
                submit(executor.run_job, part[0])
            else:
                submit(run_array, executor, part)


def request_of(job: Any) -> tuple[tuple[str, str], ...]:
    """What a job asks SLURM for; one that is submitted again asks for more than a new one."""
    resources = job.resources.items()
    return tuple(sorted((k, str(v)) for k, v in resources if not k.startswith(NOT_ASKED)))


def run_array(executor: Any, jobs: list) -> None:
    """Submit jobs that ask for the same as one array; what hinders it is an error of each job."""
    folder = executor.slurm_logdir / f"rule_{jobs[0].rule.name}"
    try:
        number = sbatch(executor, jobs, folder)
    except Exception as error:  # in a thread of the plugin's, where it would be lost
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
    """SLURM's number of a new array with a task a job, whose logs go to `folder`.

    Raises RuntimeError with what sbatch says if it refuses, WorkflowError for resources that the
    plugin does not take.
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
    settings, failed = executor.workflow.executor_settings, executor._failed_nodes
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

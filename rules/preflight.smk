"""Preflight: reports jobs, GPU-hours, calls, cost, disk and missing requirements before a run.
Also sets up array jobs.

needs  config/speeds.tsv, and all rules: included last
"""

import sys

from snakemake.logging import logger

from scripts.services import settings
from scripts.workflow import cost, environments, guards, interruption, left_out, requirements
from scripts.workflow import role_requirements, slurm_arrays, targets
from scripts.workflow.workload import size

REACHED = set()  # the rules that have jobs in the target, finished ones too

with faults_told():
    SPEEDS = read_table(project("config/speeds.tsv"), "speeds")


def work_of(job):
    """The work of a job. Rules that run models have the resource `gpu`; others only pass specs on."""
    params = dict(job.params.items()) if "gpu" in job.rule.resources else {}
    name = job.rule.name.removesuffix("_by_service")
    return requirements.Work(name, job.wildcards_dict, params)


def announce(jobs):
    """Report what the jobs will cost and what they lack; a run that lacks something stops here."""
    order = {rule.name: number for number, rule in enumerate(workflow.rules)}
    jobs = sorted(jobs, key=lambda job: (order[job.rule.name], str(job.wildcards_dict)))
    work = [work_of(job) for job in jobs]
    services = settings.rules(config)
    run_size, keeps = size(config, MEDIA_USED, ROLES, METRICS), config["kept"] is not None
    rules_to_run = {job.rule.name for job in jobs}
    if "verify" in rules_to_run and not rules_to_run & {"diarize", "identify"}:
        with faults_told():
            refuse_contrary(matched_earlier(DECISIONS, BATCHES))
    for notice in NOTICES:
        logger.info(notice)
    costs = cost.estimate(work, run_size, SPEEDS, services, keeps)
    if any(one.gpu_jobs or one.calls for one in costs):
        logger.info(cost.report(costs))
    with faults_told():
        had = set() if config["allow_lost_media"] else requirements.fetched(BATCHES)
    unmet = requirements.missing(work, MEDIA_USED, services, had)
    unmet += role_requirements.roles_lacking(work, PLAYED, MEDIA_USED)
    imports = [job for job in jobs if job.rule.name in ("import_duplex", "import_conversations")]
    unmet += requirements.folders(job.params["folder"] for job in imports)
    if config["built_environments"]:
        places = {job.resources.get("environment") for job in jobs} - {None}
        unmet += [requirements.Requirement("env", text) for text in environments.faults(places)]
    if unmet:
        logger.info(requirements.report(unmet))
    if any(one.blocking for one in unmet) and not workflow.dryrun:
        sys.exit("Nothing was run: what is listed above is missing.")


def send_arrays():
    """Make the SLURM executor submit arrays as scripts/workflow/slurm_arrays.py does."""
    with faults_told():
        slurm_arrays.use(workflow.executor_settings, {rule.name for rule in workflow.rules})


# Snakemake has no hook that knows the jobs in a dry run, and none before it creates environments.
# So `announce` follows its own step that finds the jobs, only in the main process (jobs run in
# others) and only if jobs are to run (--report and --summary find them, too).
with faults_told():
    find_jobs = guards.part(workflow, "_build_dag")
    for name in (
        "dag",
        "dryrun",
        "executor_plugin",
        "executor_settings",
        "is_main_process",
        "touch",
    ):
        guards.part(type(workflow), name)


def find_jobs_and_announce():
    if workflow.is_main_process:
        interruption.be_quiet(logger)
        with faults_told():
            targets.refuse_unknown_targets(workflow)
    find_jobs()
    REACHED.update(job.rule.name for job in guards.part(workflow.dag, "jobs"))
    if workflow.is_main_process and workflow.executor_plugin and not workflow.touch:
        announce(guards.part(workflow.dag, "needrun_jobs")())
        send_arrays()


workflow._build_dag = find_jobs_and_announce


def tell_left_out():
    """Report what was left out of the phases that the target reaches."""
    lines = left_out.left_out(REACHED, MEDIA_USED, BATCHES, PLAYED)
    if lines:
        print("Left out of this run:", *lines, sep="\n  ")


onstart:
    Path("results").mkdir(exist_ok=True)
    Path("results/run_config.yaml").write_text(yaml.safe_dump(dict(config), allow_unicode=True))


onsuccess:
    tell_left_out()


onerror:
    if not interruption.stopped():
        tell_left_out()
        print(
            "A job failed; its log is named above. Finished work is kept: mend it and run the same command again."
        )

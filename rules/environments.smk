"""Environments without conda: a job's script runs in the one that `make env` built for its models.

needs  all rules, and `built_environments: true` in the config
"""

from scripts.workflow import environments, guards


def built_for(wanted):
    """A function of a job's wildcards: the folder of the built environment in place of `conda:
    wanted`; None if that is Snakemake's own."""

    def folder(wildcards):
        name = Path(wanted(wildcards) if callable(wanted) else wanted).stem
        return None if name == environments.OWN else str(environments.place(name))

    return folder


if config["built_environments"]:
    if "CONDA" in {method.name for method in workflow.deployment_settings.deployment_method}:
        raise WorkflowError(
            "built_environments is true and conda is asked for: choose one (software-deployment-method "
            "of the profile, or --sdm)."
        )
    # A resource, since a job's script can read it (scripts/workflow/stage.py) and it triggers no
    # rerun.
    with faults_told():
        for one in workflow.rules:
            if wanted := guards.part(one, "conda_env"):
                guards.part(one, "resources")["environment"] = built_for(wanted)

"""Without conda: a job's script goes on in the environment that `make env` built for its models.

needs  all rules, and `built_environments: true` in the config
"""

from scripts.workflow import environments


def built_for(wanted):
    """By a job's wildcards, the folder of the built environment that `conda: wanted` asks for; None
    where that is Snakemake's own."""

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
    # A resource is what a job's script hears of (scripts/workflow/stage.py) that is no reason to run
    # it again.
    for one in workflow.rules:
        if one.conda_env:
            one.resources["environment"] = built_for(one.conda_env)

"""Estimated files and bytes that a job writes (scripts/workflow/stage_costs.py).

Imported by the Snakefile.
"""

from __future__ import annotations

from dataclasses import dataclass

from scripts.workflow import specs, stage_costs
from scripts.workflow.requirements import Work, models_of
from scripts.workflow.workload import Size, part

SIDE = 2  # files beside the outputs: log and benchmark


@dataclass(frozen=True)
class Stored:
    """What a job writes: files, bytes in results/, bytes in its model cache."""

    files: float
    results: float
    kept: float


def stored(job: Work, run_size: Size, keeps: bool) -> Stored:
    """What a job writes; `keeps`: whether jobs cache the results of their models. Answers of
    services are always stored (`services.store`)."""
    files, results, kept = stage_costs.of(job.rule).stored(part(job, run_size))
    models = models_of(job)
    by_service = bool(models) and all(specs.is_service(model) for model in models)
    here = keeps and bool(models) and not by_service  # in two files of the job's own
    return Stored(files + SIDE + 2 * here, results, kept if here or by_service else 0.0)

"""What rules say of their jobs: resources, inputs that patterns cannot say, and the code param.

Models are specs, or functions of a job's wildcards. Imported by the Snakefile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.workflow import code_digest, requirements, specs
from scripts.workflow.code_digest import chosen

# Defaults of all rules: MB on top of the weights, minutes. Longer ones are for the paper's size; a
# job that ran out of time continues where it was.
MEMORY, RUNTIME = 2000, 60


def job_resources(*models: Any, mem_mb: int = MEMORY, runtime: int = RUNTIME) -> dict[str, Any]:
    """The resources of a rule; one with models has `gpu`, which is 1 where one of them wants it."""
    given = {"mem_mb": memory_mb(mem_mb, *models), "runtime": runtime}
    if models:
        given["gpu"] = lambda wildcards: int(specs.wants_gpu(*chosen(models, wildcards)))
    return given


def memory_mb(megabytes: int, *models: Any) -> Callable[..., int]:
    """Memory of a job in MB, on top of the weights of its models; a resubmitted job requests a
    multiple of it."""
    weights = lambda wildcards: requirements.weights_mb(chosen(models, wildcards))  # noqa: E731
    return lambda wildcards, attempt: attempt * (megabytes + weights(wildcards))


def files_of_media(rows: Iterable[Mapping[str, str]], local: Callable[[str], str]) -> list[str]:
    """Local files of rows of media.tsv (found by `local`), and the text beside a truth: changing
    one reruns the batch. A missing file is no error here: fetch records why it is missing, and the
    other media go on."""
    rows = list(rows)
    cells = [row[key] for row in rows for key in ("location", "truth", "music")]
    paths = [local(cell.removeprefix("synth:")) for cell in cells if cell]
    truths = [Path(local(row["truth"])) for row in rows if row["truth"]]
    paths += [str(path.with_suffix(end)) for path in truths for end in (".jsonl", ".stm")]
    return [path for path in paths if Path(path).is_file()]


def fits(path: str) -> bool:
    """Whether a file can be an input: Snakemake reads braces in a path as wildcards."""
    return not set("{}") & set(path)


def stamps(paths: Iterable[str]) -> list[str]:
    """Name, size and modification time of the files that cannot be inputs."""
    stats = [(path, Path(path).stat()) for path in paths if not fits(path)]
    return [f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats]


def code(
    stage: str, *models: Any, files: Callable[[Any], Iterable[str]] = lambda wildcards: []
) -> Callable[[Any], str]:
    """A param that reruns a job when its code changes, or one of the `files` that cannot be inputs.
    Lazy: every cluster job parses all rules."""
    return lambda wildcards: " ".join(
        [code_digest.code(stage, *chosen(models, wildcards)), *stamps(files(wildcards))]
    )

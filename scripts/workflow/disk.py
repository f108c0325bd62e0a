"""Estimated files and bytes that a job writes, from the workload (scripts/workflow/workload.py).

Rows and model caches (scripts/workflow/model_cache.py) count; media do not: they are linked into
results/ if they lie on the same disk. Imported by the Snakefile.
"""

from __future__ import annotations

from dataclasses import dataclass

from scripts.workflow import specs
from scripts.workflow.requirements import Work, models_of
from scripts.workflow.workload import CLIP, MEDIUM, METRICS, ROLE, USER, Size, part

FLAC = {"corpus": 18_000, "speech": 27_000}  # bytes a second at 16 and 24 kHz
VECTOR = 2_000  # bytes of an embedding
ROW = 1_000  # bytes of a row about a dialogue, a reply or a metric of one; a third for a clip
ADAPTER = 40e6  # bytes of a LoRA of 7B parameters, with two checkpoints: three times
SELDOM = 3  # files of a rule with one output: a table's csv, md and tex
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
    own = part(job, run_size)
    clips = own.clips / CLIP
    sides = (
        ROLE if run_size.separate_user_tts else USER + ROLE
    )  # whose lines `speak` itself synthesises
    files, results, kept = {
        "fetch": (own.media, 0.0, 0.0),
        "extract": (own.media, own.media * MEDIUM * FLAC["corpus"], 0.0),
        "separate": (own.media, own.media * MEDIUM * FLAC["corpus"], 0.0),
        "diarize": (1, clips * ROW / 3, clips * ROW / 3),
        "segment": (1, clips * ROW / 3, clips * ROW / 3),
        "rate": (1, clips * ROW / 3, clips * ROW / 3),
        "transcribe": (1, clips * ROW / 3, clips * ROW / 3),
        "choose_voices": (
            6 * run_size.roles,
            run_size.roles * 6 * CLIP * FLAC["corpus"],
            clips * VECTOR,
        ),
        "write": (1, own.written * ROW, own.written * ROW),
        "classify": (1, own.written * ROW, own.written * ROW),
        "deduplicate": (2, own.written * ROW, own.written * VECTOR),
        "split": (3, own.written * ROW, 0.0),
        "speak_users": (0, 0.0, own.spoken * USER * FLAC["speech"]),  # its outputs are temporary
        "speak": (
            own.lines + 1,
            own.spoken * ((USER + ROLE) * FLAC["speech"] + ROW),
            own.spoken * sides * FLAC["speech"],
        ),
        "finetune": (20, 3 * ADAPTER, 0.0),
        "respond": (
            own.turns + 1,
            own.tested * (ROLE * FLAC["speech"] + ROW),
            own.tested * ROLE * FLAC["speech"],
        ),
        "judge": (1, own.tested * METRICS * ROW, own.tested * METRICS * ROW),
    }.get(job.rule, (SELDOM, 0.0, 0.0))
    models = models_of(job)
    by_service = bool(models) and all(specs.is_service(model) for model in models)
    here = keeps and bool(models) and not by_service  # in two files of the job's own
    return Stored(files + SIDE + 2 * here, results, kept if here or by_service else 0.0)

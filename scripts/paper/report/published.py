"""The paper's printed tables, from config/published, and the names both sources go by."""

from __future__ import annotations

from collections.abc import Iterable
from csv import DictReader
from pathlib import Path
from typing import Any, get_args

from scripts.common.errors import UserError
from scripts.rows.jsonl import Language
from scripts.workflow.model_spec import ModelSpec

PAPER_METRICS = ("IA", "CC", "SF", "SN", "PC", "EA", "PeC", "KC")  # of Tables 2 to 5 (section 4.1)
LANGUAGES: tuple[str, ...] = get_args(Language)
SOURCES = {"printed": "paper (printed)", "recomputed": "recomputed", "run": "this run"}
SYSTEMS = (  # of Tables 2 and 3
    *("Qwen3-8B", "Llama-3.1-8B", "Mistral-7B", "Alibaba Cloud API"),
    *("LLaMA-Omni", "Qwen2.5-Omni", "GPT-4o Audio", "SpeechRole-Agent"),
)
ITEMS = 4  # test items a role, two of each mode: 328 English and 64 Chinese (section 3.3, Table 1)
JUDGE = "gemini-2.5-pro"  # gave the printed scores (section 4.2)
LAST_DIGIT = 0.0005 + 1e-9  # how far a mean of cells rounded to three decimals may be off
DEMO = ("cascade-1.5b", "cascade-0.5b", "cascade-1.5b-no-role")  # the small systems of config.yaml
STAND_IN = "objective"  # the backend of the embedded judge


def with_printed(metrics: Iterable[str]) -> tuple[str, ...]:
    """The paper's metrics and, after them, those of a run (`metrics`) that the paper has not."""
    return tuple(dict.fromkeys((*PAPER_METRICS, *metrics)))


def as_printed(system: str) -> str:
    """A system's name as the paper spells it; names in the config have no spaces."""
    return {name.replace(" ", "-"): name for name in SYSTEMS}.get(system, system)


def stand_ins(judges: dict[str, ModelSpec]) -> list[str]:
    """A sentence that names the embedded judges (specs by name), if there are any."""
    names = [f"`{name}`" for name, spec in judges.items() if spec.backend == STAND_IN]
    if not names:
        return []
    return [
        f"Embedded, a stand-in that measures and does not listen: {', '.join(names)}. Such figures "
        f"say nothing of a language model as a judge, and of the paper's ({JUDGE}) least of all."
    ]


def read_published(path: Path) -> list[dict[str, Any]]:
    """The rows of a table of config/published; cells that are numbers become numbers."""
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            rows = list(DictReader(file, delimiter="\t"))
    except FileNotFoundError as error:
        raise UserError(
            f"{path} does not exist; it holds printed figures of the paper: restore the file."
        ) from error
    return [{key: _number(value) for key, value in row.items()} for row in rows]


def _number(cell: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell

"""What scores are measured with: names of models, the expected distributions, people's ratings.

Imported by the Snakefile, too: light imports only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from scripts.common.errors import UserError
from scripts.common.tables import located
from scripts.workflow.model_spec import ModelSpec


def ratings_of(path: Path) -> list[tuple[str, dict[str, str]]]:
    """The rows of people's ratings, each with its file and line. Raises UserError for a malformed
    row, and for a sample that a rater rated twice."""
    rows, seen = located(path, "duplex_ratings"), set()
    for where, row in rows:
        key = row["rater"], row["sample"]
        if key in seen:
            raise UserError(
                f"{where}: {row['rater']} rated sample {row['sample']} twice; keep one of the rows."
            )
        seen.add(key)
    return rows


def label_of(spec: ModelSpec) -> str:
    """What a model is called in `by`: its backend, and which weights or model."""
    which = spec.options.get("weights") or spec.options.get("model")
    return f"{spec.backend} {which}" if which else spec.backend


def labelled(models: Sequence[ModelSpec]) -> dict[str, ModelSpec]:
    """The models by label. Raises UserError if two have the same one."""
    found = {label_of(spec): spec for spec in models}
    if len(found) < len(models):
        raise UserError(
            f"{len(models)} models are called {' and '.join(found)}, by backend and weights: "
            "scores would not tell them apart; name each once."
        )
    return found


def read_distributions(file: Path | list[Path] | None) -> dict[str, list[float]]:
    """Vectors by number, of a JSON object {"0": [...]}. Raises UserError for anything else."""
    if file is None or isinstance(file, list):
        return {}
    try:
        found = json.loads(Path(file).read_text("utf-8"))
        vectors = {str(key): [float(value) for value in own] for key, own in found.items()}
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f'{file} is not a JSON object of vectors, {{"0": [...]}}: {error}'
        ) from error
    for key, own in vectors.items():
        if not own or not all(math.isfinite(value) and value >= 0 for value in own) or not sum(own):
            raise UserError(
                f"{file}: '{key}' is not a distribution: numbers from 0 on, not all of them 0."
            )
    return vectors

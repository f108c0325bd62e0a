"""Keeps one of each group of near-duplicate dialogues (paper, section 3.1).

Near-duplicates are pairs whose embeddings have a cosine above the language's threshold. Dialogues
are processed in the order of their ids, which are hashes, and each is kept unless it is too close
to one already kept: the result does not depend on the order of the file, no two kept dialogues are
near-duplicates, and each dropped one names the nearest kept one. All pairs are compared, in blocks
of a matrix product, so no pair is missed among many near-identical dialogues.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np

from scripts import backends
from scripts.backends.embedding import EmbeddingBackend
from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.rows.dialogues import Dialogue, in_shard
from scripts.rows.jsonl import read_all, write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

BLOCK = 512  # rows and columns of a block: 1 MB of cosines
COMPARE = ("dialogue", "first_question")
WITHIN = ("role", "language")


def deduplicate(
    classified: list[Path],
    kept: Path,
    dropped: Path,
    embeddings: dict[str, ModelSpec],
    thresholds: dict[str, float],
    compare: str,
    within: str,
    shard: str,
) -> None:
    """Sort the shard's dialogues into `kept` and `dropped`; the counts of the two add up.

    Rows that were dropped before go to `dropped` unchanged. `compare`: the whole dialogue
    or its first question only. `within`: dialogues of the same role, single-turn and multi-turn
    together, or of all roles of a language. `classified` is the shard's file or, for the latter,
    the files of all shards. `embeddings` and `thresholds` are by language. Raises UserError for
    other values.
    """
    _check("compare", compare, COMPARE)
    _check("within", within, WITHIN)
    paths = classified if isinstance(classified, list) else [classified]
    rows = sorted(read_all(paths, Dialogue), key=lambda row: row.id)
    groups: dict[tuple[str, str], list[Dialogue]] = defaultdict(list)
    for row in rows:
        if row.dropped is None:
            group = row.role if within == "role" else ""
            groups[row.language, group].append(row)
    models: dict[str, EmbeddingBackend] = {}
    for (language, _), alike in sorted(groups.items()):
        if language not in models:
            models[language] = backends.load(embeddings[language])
        vectors = models[language].embed([text(row, compare) for row in alike])
        for row, near in zip(alike, near_duplicates(vectors, thresholds[language]), strict=True):
            if near is not None:
                keeper, cosine = alike[near[0]].id, near[1]
                row.duplicate_of, row.similarity = keeper, round(cosine, 6)
                row.dropped = f"near-duplicate of {keeper}"
    mine = [row for row in rows if in_shard(row.role, shard)]
    mine.sort(key=lambda row: (row.role, row.mode, row.id))
    write_rows(kept, [row for row in mine if row.dropped is None])
    write_rows(dropped, [row for row in mine if row.dropped is not None])
    twice = sum(row.duplicate_of is not None for row in mine)
    lost = sum(row.dropped is not None for row in mine) - twice
    left = len(mine) - twice - lost
    print(f"{len(mine)} drafts = {left} kept + {twice} alike + {lost} not usable")


def text(row: Dialogue, compare: str) -> str:
    """The text of a dialogue that is compared."""
    if compare == "first_question":
        return row.turns[0].user
    return "\n".join(f"{turn.user}\n{turn.role}" for turn in row.turns)


def near_duplicates(
    vectors: np.ndarray, threshold: float, block: int = BLOCK
) -> list[tuple[int, float] | None]:
    """For each row of (n, d) unit `vectors`: None if it is kept, else (keeper, cosine).

    A row is kept unless its cosine to an earlier kept row is above `threshold`; its keeper is the
    nearest one, the earliest of equals. Uses O(block * (block + d)) memory besides the input.
    """
    result: list[tuple[int, float] | None] = [None] * len(vectors)
    kept: list[int] = []
    for first in range(0, len(vectors), block):
        rows = vectors[first : first + block]
        best, keeper = np.full(len(rows), -np.inf), np.zeros(len(rows), int)
        for start in range(0, len(kept), block):
            some = np.array(kept[start : start + block])
            cosines = rows @ vectors[some].T
            at = cosines.argmax(axis=1)
            highest = cosines[np.arange(len(rows)), at]
            better = highest > best
            best[better], keeper[better] = highest[better], some[at[better]]
        inside = rows @ rows.T
        # Rows of this block that are kept: first those that are near no earlier row; the others in
        # order, as it depends on which earlier ones are kept.
        fresh = (best <= threshold) & ~np.tril(inside > threshold, -1).any(axis=1)
        for i in np.flatnonzero(~fresh):
            among = np.where(fresh[:i], inside[i, :i], -np.inf)
            if i and among.max() > best[i]:
                best[i], keeper[i] = among.max(), first + among.argmax()
            fresh[i] = best[i] <= threshold
            if not fresh[i]:
                result[first + i] = int(keeper[i]), float(best[i])
        kept.extend(int(i) for i in first + np.flatnonzero(fresh))
    return result


def _check(key: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise UserError(f"deduplicate.{key}: '{value}' is not known{nearest(value, valid)}")


if __name__ == "__main__":
    stage.run(deduplicate, globals().get("snakemake"))

"""Near-duplicate detection versus other methods (`python -m benchmarks.deduplication`).

The input is the 1,600 dialogues of a role as 384-dimensional vectors: most are far apart, some are
noisy copies, and 150 are near-identical, which breaks miners that keep the nearest 100 of each row.
Times are of `near_duplicates` alone, without reading, embedding and writing; the other methods get
the same vectors. All use one thread. Brute force is a loop over all pairs in row order.

    recall    share of the near-duplicate pairs that the miner finds, or of which SemHash drops one
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import numpy as np
import yaml
from threadpoolctl import threadpool_limits

from benchmarks.figures import Figure, best, show
from scripts.common.paths import ROOT
from scripts.dialogues.deduplicate import near_duplicates

ROWS, NUMBERS, COPIES, CLONES, ROLES = 1600, 384, 250, 150, 98
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
THRESHOLD = CONFIG["deduplicate"]["English"]["threshold"]


def figures() -> Iterator[Figure]:
    with threadpool_limits(1):
        yield from speed()
        yield from completeness()


def speed() -> Iterator[Figure]:
    vectors, mine, dedup = role(0), mining(), semhash()
    sides = [lambda: near_duplicates(vectors, THRESHOLD), lambda: bare(vectors)]
    ours, product = best(sides, 20, time.process_time)
    yield Figure("a role (CPU s), the bare matrix product", ours, product, "ratio <= 2")
    sides = [lambda: mine(vectors), lambda: dedup(vectors)]
    miner, hashing = best(sides, clock=time.process_time)
    yield Figure("roles a CPU second, paraphrase mining", 1 / ours, 1 / miner, "ratio >= 10")
    yield Figure("roles a CPU second, SemHash", 1 / ours, 1 / hashing, "ratio >= 10")
    roles = [role(number) for number in range(ROLES)]
    sides = [
        lambda: [near_duplicates(rows, THRESHOLD) for rows in roles],
        lambda: list(map(bare, roles)),
    ]
    yield Figure(f"{ROLES} roles (s), the bare matrix products", *best(sides), "ours <= 5")


def completeness() -> Iterator[Figure]:
    vectors, mine, dedup = role(0), mining(), semhash()
    cosines = bare(vectors)
    pairs = set(
        zip(*map(np.ndarray.tolist, np.nonzero(np.triu(cosines, 1) > THRESHOLD)), strict=True)
    )
    found = near_duplicates(vectors, THRESHOLD)
    kept = {row for row in range(ROWS) if found[row] is None}
    parted = recall(pairs, kept)
    named = {(min(i, j), max(i, j)) for score, i, j in mine(vectors) if score > THRESHOLD}
    yield Figure("recall, paraphrase mining", parted, len(named & pairs) / len(pairs), "ours == 1")
    yield Figure("recall, SemHash", parted, recall(pairs, dedup(vectors)), "ours == 1")
    same = kept == brute_force(cosines)
    yield Figure("rows kept, brute force", len(kept), len(brute_force(cosines)), "ours == peer")
    yield Figure("the same rows", float(same), target="ours == 1")


def role(seed: int) -> np.ndarray:
    """(1600, 384) unit vectors in random order, float32."""
    random = np.random.default_rng(seed)
    apart = random.standard_normal((ROWS - COPIES - CLONES, NUMBERS))
    near = np.concatenate([random.choice(apart, COPIES), np.repeat(apart[:1], CLONES, axis=0)])
    # With this much noise, the cosine of a copy and its original is .80 to .999.
    near += random.uniform(0.05, 0.75, (len(near), 1)) * random.standard_normal(near.shape)
    near[COPIES:] = apart[0] + 0.1 * random.standard_normal((CLONES, NUMBERS))
    rows = np.concatenate([apart, near])
    random.shuffle(rows)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def bare(vectors: np.ndarray) -> np.ndarray:
    """The cosines of all pairs, (n, n), and nothing else."""
    return vectors @ vectors.T


def brute_force(cosines: np.ndarray) -> set[int]:
    """The rows kept: each row that is not too close to one kept before it."""
    kept: list[int] = []
    for row in range(len(cosines)):
        if not any(cosines[row, other] > THRESHOLD for other in kept):
            kept.append(row)
    return set(kept)


def recall(pairs: set[tuple[int, int]], kept: set[int]) -> float:
    """Share of `pairs` of which not both rows are kept."""
    return sum(not {i, j} <= kept for i, j in pairs) / len(pairs)


def mining():
    """Function (vectors) -> (score, row, row) of sentence-transformers, with its defaults."""
    import torch
    from sentence_transformers.util import paraphrase_mining_embeddings

    torch.set_num_threads(1)
    return lambda vectors: paraphrase_mining_embeddings(torch.from_numpy(vectors))


def semhash():
    """Function (vectors) -> rows that SemHash keeps; its records are row numbers."""
    from semhash import SemHash

    class Known:
        """An encoder that looks up the vectors of row numbers."""

        def __init__(self, vectors: np.ndarray):
            self.vectors = vectors

        def encode(self, inputs, **_) -> np.ndarray:
            return self.vectors[[int(text) for text in inputs]]

    def kept(vectors: np.ndarray) -> set[int]:
        records = [str(row) for row in range(len(vectors))]
        made = SemHash.from_records(records, model=Known(vectors))
        return set(map(int, made.self_deduplicate(threshold=THRESHOLD).selected))

    return kept


if __name__ == "__main__":
    sys.exit(show(figures()))

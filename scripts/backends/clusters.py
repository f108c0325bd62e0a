"""Clustering of speaker embeddings: how many people speak, and which embeddings are whose.

No single cosine threshold holds for every recording: at 11 kHz, with music removed, two people can
be as similar as one person is in a clean recording. So each set is judged by its own spread.
Embeddings of one stretch of speech are of one person, and their covariance shows how one person
varies here; all are whitened by it (within-class covariance normalisation, Hatch et al.,
Interspeech 2006). Then the nearest-neighbour graph is cut in two (normalised cut, Shi and Malik
2000), and the two sides are taken for two people if they are further apart than one person's
speech, cut in the same way, ever is, by the ratio of two measures:

- few nearest neighbours lie across: the second eigenvalue of the graph's normalised Laplacian;
- held-out stretches are bimodal along the direction between the sides: d', the distance of the two
  means in standard deviations (held out, as any direction separates the data it was chosen on).

Both need half a minute of speech, and the less there is, the further apart the sides of one
person's speech appear, since the cut maximises that. Less than half a minute is split only if the
mean cosine across the sides is low relative to that within. Each side is then split in the same
way.

The thresholds were set on the development dialogues in benchmarks/dialogues.tsv;
benchmarks/diarization.py prints the results on them.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

NEIGHBOURS = 14  # nearest neighbours of each embedding that make the graph
OWN = 0.3  # share of the set's own covariance in the whitening; the rest is isotropic
APART, FEW = 12.0, 700.0  # d' over the eigenvalue: two people have more than 12 + 700 / n
MANY = 36  # embeddings (n) from which both are measured
UNLIKE = 0.7  # ratio of cosines across and within, below which few embeddings are of two people
LITTLE = 1e-3  # weight of non-neighbours, times 1 + cosine
CLIPS_UNLIKE = 0.8  # the same for clips, which are longer and more reliable
FEWEST = 3  # embeddings of one person
FOLDS = 5


def speakers(vectors: np.ndarray, stretches: np.ndarray) -> np.ndarray:
    """Which person each of the `vectors` (n, d) is of: (n,) int from 0, by first appearance.

    `stretches` (n,): vectors with the same number come from one stretch of speech of one person.
    The result does not depend on the norm of the vectors.
    """
    if len(vectors) < 2 * FEWEST:
        return np.zeros(len(vectors), int)
    units = _units(vectors)
    white = whitened(units, stretches)
    waiting, people = [np.arange(len(units))], []
    while waiting:
        some = waiting.pop()
        side = parted(units[some], white[some], stretches[some])
        if side is None:
            people.append(some)
        else:
            waiting += [some[side], some[~side]]
    labels = np.zeros(len(units), int)
    for number, some in enumerate(sorted(people, key=min)):
        labels[some] = number
    return _settled(labels, white, stretches)


def two_groups(vectors: np.ndarray) -> np.ndarray | None:
    """One of two groups (a mask) if embeddings (n, d) of clips of some seconds, each from another
    stretch of speech, sound like two or more people; else None."""
    if len(vectors) < 2 * FEWEST:
        return None
    units, clips = _units(vectors), np.arange(len(vectors))
    return parted(units, whitened(units, clips), clips, CLIPS_UNLIKE)


def whitened(units: np.ndarray, stretches: np.ndarray) -> np.ndarray:
    """Centred vectors in a space where the variance within a stretch is isotropic."""
    centred = units - units.mean(axis=0)
    inside = np.concatenate(
        [units[stretches == one] - units[stretches == one].mean(axis=0) for one in set(stretches)]
    )
    spread = inside.T @ inside / len(inside)
    level = np.trace(spread) / len(spread)
    if level < 1e-9:  # each stretch has one vector
        return centred
    values, directions = eigh(OWN * spread + (1 - OWN) * level * np.eye(len(spread)))
    return centred @ directions / np.sqrt(values)


def parted(
    units: np.ndarray, white: np.ndarray, stretches: np.ndarray, unlike: float = UNLIKE
) -> np.ndarray | None:
    """One side (a mask) of the best cut of n embeddings if the sides are two people, else None."""
    if len(units) < 2 * FEWEST:
        return None  # what an earlier cut left
    white = white - white.mean(axis=0)
    if np.abs(white).max() < 1e-9:
        return None  # all alike
    graph = neighbours(white, stretches)
    degree = graph.sum(axis=1)
    if not degree.all():
        return None  # all of one stretch
    scaled = graph / np.sqrt(degree[:, None] * degree)
    values, vectors = eigh(np.eye(len(graph)) - scaled, subset_by_index=[0, 1])
    side = _cut(graph, vectors[:, 1] / np.sqrt(degree))
    if len(units) < MANY:
        return side if likeness(units, stretches, side) < unlike else None
    across = max(values[1], 1e-3)
    apart = APART + FEW / len(units)
    return side if distance(white, stretches, side) > apart * across else None


def neighbours(white: np.ndarray, stretches: np.ndarray) -> np.ndarray:
    """(n, n) graph weights: links to the nearest embeddings of other stretches, by cosine, and weak
    links to all others, so that the graph is connected."""
    units = _units(white)
    cosines = units @ units.T
    apart = stretches[:, None] != stretches
    cosines[~apart] = -1
    count = min(NEIGHBOURS, max(FEWEST, len(units) // 6))
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
    graph = np.zeros_like(cosines)
    np.put_along_axis(graph, nearest, 1.0, axis=1)
    return (graph + graph.T) / 2 * apart + LITTLE * (1 + cosines)


def distance(white: np.ndarray, stretches: np.ndarray, side: np.ndarray) -> float:
    """d' of the two sides along the direction between them, on held-out stretches."""
    along = np.zeros(len(white))
    names = np.unique(stretches)
    for fold in range(FOLDS):
        held = np.isin(stretches, names[fold::FOLDS])
        one, other = white[side & ~held], white[~side & ~held]
        if min(len(one), len(other)) < FEWEST:
            return 0.0
        middles = one.mean(axis=0), other.mean(axis=0)
        inside = np.concatenate([one - middles[0], other - middles[1]])
        spread = inside.T @ inside / len(inside)
        level = np.trace(spread) / len(spread)
        direction = np.linalg.solve(
            0.1 * spread + 0.9 * level * np.eye(len(spread)), middles[0] - middles[1]
        )
        direction /= np.linalg.norm(direction)
        along[held] = (white[held] - (middles[0] + middles[1]) / 2) @ direction
    one, other = along[side], along[~side]
    return float((one.mean() - other.mean()) / np.sqrt((one.var() + other.var()) / 2))


def likeness(units: np.ndarray, stretches: np.ndarray, side: np.ndarray) -> float:
    """Mean cosine across the sides over the one within them, between embeddings of different
    stretches; 1 if a side has only one stretch."""
    cosines = units @ units.T
    apart = stretches[:, None] != stretches
    within = []
    for part in (side, ~side):
        pairs = apart & part[:, None] & part
        if not pairs.any():
            return 1.0
        within.append(max(1e-3, cosines[pairs].mean()))
    return float(cosines[apart & side[:, None] & ~side].mean() / np.sqrt(within[0] * within[1]))


def _cut(graph: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The cut along `order` with the smallest normalised cut value, as a mask."""
    rank = np.argsort(order, kind="stable")
    sorted_graph = graph[rank][:, rank]
    volume = np.cumsum(sorted_graph.sum(axis=1))
    inside = np.cumsum(2 * np.tril(sorted_graph, -1).sum(axis=1) + np.diag(sorted_graph))
    lost = (volume - inside) / np.maximum(np.minimum(volume, volume[-1] - volume), 1e-12)
    least = max(FEWEST, len(graph) // 5) if len(graph) < MANY else 2 * FEWEST
    side = np.zeros(len(graph), bool)
    side[rank[: least + int(np.argmin(lost[least - 1 : len(graph) - least]))]] = True
    return side


def _settled(labels: np.ndarray, white: np.ndarray, stretches: np.ndarray) -> np.ndarray:
    """Reassign each embedding to the majority of its neighbours, unless a cluster would vanish."""
    count = labels.max(initial=0) + 1
    if count < 2:
        return labels
    graph = neighbours(white, stretches)
    for _ in range(5):
        votes = np.stack([graph[:, labels == one].sum(axis=1) for one in range(count)], axis=1)
        votes[np.arange(len(labels)), labels] += 1e-9  # ties change nothing
        new = votes.argmax(axis=1)
        if (new == labels).all() or len(np.unique(new)) < count:
            break
        labels = new
    return labels


def _units(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

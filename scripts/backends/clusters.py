"""How many people speak in a set of speaker embeddings, and which are whose.

No one threshold on the cosine of two embeddings holds for every recording: at 11 kHz, with music
taken out from under it, two people can be as alike as one person is in a clean one. So each set is
looked at by its own spread. Embeddings of one stretch of speech are of one person, and how they
differ tells in which directions one person varies here; they are whitened by it (within-class
covariance normalisation, Hatch et al., Interspeech 2006). Then the set is parted in two where the
fewest of the nearest neighbours are lost (normalised cut, Shi and Malik 2000), and the two sides
are taken for two people if they are further apart than one person's speech, cut in two in the same
way, ever is, by the ratio of two measures:

- few nearest neighbours lie across: the second eigenvalue of the graph's normalised Laplacian;
- stretches that had no say in the direction fall into two heaps along it: d', the distance of the
  two means in standard deviations (held out, as any direction parts what it was chosen from).

Both need half a minute of speech, and the less there is, the further apart do the sides of one
person's speech seem to be: it is cut where that is largest. What is less than half a minute is
parted only where the mean cosine across is low beside that within. Each side is then looked at in
the same way.

The limits were set on the development dialogues in benchmarks/dialogues.tsv, and
benchmarks/diarization.py prints what they give there.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

NEIGHBOURS = 14  # nearest neighbours of each embedding that make the graph
OWN = 0.3  # share of the set's own covariance in the whitening; the rest is alike all around
APART, FEW = 12.0, 700.0  # d' over the eigenvalue: two people have more than 12 + 700 / n
MANY = 36  # embeddings (n) from which those two are measured
UNLIKE = 0.7  # cosine across over that within, below which few embeddings are of two people
LITTLE = 1e-3  # weight of two embeddings that are not near, for each 1 of 1 + cosine
CLIPS_UNLIKE = 0.8  # the same of clips, which are longer and tell more
FEWEST = 3  # embeddings of one person
FOLDS = 5


def speakers(vectors: np.ndarray, stretches: np.ndarray) -> np.ndarray:
    """Which person each of the `vectors` (n, d) is of: (n,) int from 0, by first appearance.

    `stretches` (n,) are numbers: vectors with the same one come from one stretch of speech of one
    person (so a speaker is heard in one stretch only if nothing else can be said). The result does
    not depend on the length of the vectors.
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
    """One of two groups (a mask) if embeddings (n, d) of clips of seconds each, no two from one
    stretch of speech, sound like two people or more; else None."""
    if len(vectors) < 2 * FEWEST:
        return None
    units, clips = _units(vectors), np.arange(len(vectors))
    return parted(units, whitened(units, clips), clips, CLIPS_UNLIKE)


def whitened(units: np.ndarray, stretches: np.ndarray) -> np.ndarray:
    """Vectors, less their mean, in a space where one stretch varies alike in all directions."""
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
    """One side (a mask) of the best cut of n embeddings if the sides are two people; else None."""
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
    """(n, n) weights: each embedding and its nearest ones of other stretches, by cosine; and a
    little of all, so that all hang together."""
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
    """d' of the two sides along the direction between them that other stretches give."""
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
    """Mean cosine of embeddings of different stretches across the sides, over the one within them;
    1 where a side has only one stretch."""
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
    """Of all cuts along `order`, the one that loses the smallest share of a side (a mask)."""
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
    """Each embedding goes to whom most of its neighbours belong, as long as nobody is left out."""
    count = labels.max(initial=0) + 1
    if count < 2:
        return labels
    graph = neighbours(white, stretches)
    for _ in range(5):
        votes = np.stack([graph[:, labels == one].sum(axis=1) for one in range(count)], axis=1)
        votes[np.arange(len(labels)), labels] += 1e-9  # a tie stays as it is
        new = votes.argmax(axis=1)
        if (new == labels).all() or len(np.unique(new)) < count:
            break
        labels = new
    return labels


def _units(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

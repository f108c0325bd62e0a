"""Diarization by voices: pyannote's segmentation finds speech, changes of speaker and overlap; who
is who is found by the embeddings of a speaker backend (scripts/backends/clusters.py).

The package's pipeline embeds what its network takes for one speaker in ten seconds. Where voices
are alike (11 kHz, music under them) the network takes two people for one, and no embedding can part
them again. So what is embedded here are windows of two seconds that lie between two pauses or
changes, each once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from scripts.backends.clusters import speakers

WINDOW, HOP = 2.0, 1.0  # seconds of an embedding, at most, and to the next in the same stretch
SHORT = 0.8  # seconds: less says a word or two, and nobody is known by that
PAUSE = 0.1  # seconds of silence that part two stretches
CHANGE = 0.5  # share of the network's windows that hear another speaker from one frame on
NEAR = 4  # frames to both sides in which that is the same change
SURE, MOSTLY = 1.0, 0.8  # seconds that a speaker of a window talks alone; share that is one person
EDGE = 10  # frames of a stretch at its ends that are not cut off

Span = tuple[float, float, str]


@dataclass(frozen=True)
class Local:
    """What the network says of each window of `length` frames: `talks` (windows, length, speakers)
    0 or 1, where speakers are numbered anew in each; `first`, the recording's frame at which each
    begins; `count` (frames,), how many speak at once on average, rounded."""

    talks: np.ndarray
    first: np.ndarray
    count: np.ndarray
    start: float  # of the middle of frame 0, seconds
    step: float  # seconds a frame

    def time(self, frame: int) -> float:
        """Where a frame begins, in seconds."""
        return max(0.0, float(self.start + (frame - 0.5) * self.step))


def diarize(local: Local, audio: np.ndarray, embedder, rate: int) -> list[Span]:
    """(start, end, speaker) of (n,) float32 at `rate`; spans of two who talk at once overlap."""
    stretches = stretches_of(local)
    windows = [(s, e, n) for n, part in enumerate(stretches) for s, e in windows_of(local, *part)]
    if not windows:
        return []
    clips = [
        audio[round(local.time(s) * rate) : max(1, round(local.time(e) * rate))]
        for s, e, _ in windows
    ]
    heard = [number for number, clip in enumerate(clips) if len(clip) and np.any(clip)]
    if not heard:
        return []
    vectors = embedder.embed([clips[number] for number in heard])
    windows = [windows[number] for number in heard]
    labels = people(vectors, np.array(windows), local.step)
    who = frames_of(stretches, windows, labels, len(local.count))
    second = others(local, who, labels.max() + 1)
    return [*spans(local, who), *spans(local, second)]


def people(vectors: np.ndarray, windows: np.ndarray, step: float) -> np.ndarray:
    """Who speaks in each window (start, end, stretch), from 0: found from those that last long
    enough to know a voice by, the others go to whom they are most like."""
    long = (windows[:, 1] - windows[:, 0]) * step >= SHORT
    if not long.any():
        long[:] = True
    known = speakers(vectors[long], windows[long, 2])
    means = np.stack([vectors[long][known == one].mean(axis=0) for one in range(known.max() + 1)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    labels = (vectors @ means.T).argmax(axis=1)
    labels[long] = known
    return labels


def stretches_of(local: Local) -> list[tuple[int, int]]:
    """First frame, and the one after the last, of each stretch without a pause or a change."""
    speech = local.count > 0
    edges = np.flatnonzero(np.diff(np.r_[0, speech.astype(np.int8), 0]))
    found: list[list[int]] = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if found and (start - found[-1][1]) * local.step < PAUSE:
            found[-1][1] = int(end)
        else:
            found.append([int(start), int(end)])
    cuts = changes(local)
    parts = []
    for start, end in found:
        inside = cuts[(cuts >= start + EDGE) & (cuts < end - EDGE)].tolist()
        parts += list(zip([start, *inside], [*inside, end], strict=True))
    return parts


def changes(local: Local) -> np.ndarray:
    """The frames from which on most of the network's windows hear another speaker."""
    total, votes = np.zeros((2, len(local.count)))
    for first, talks in zip(local.first, local.talks, strict=True):
        loudest = np.where(talks.any(axis=1), talks.argmax(axis=1), -1)
        before, after = loudest[:-1], loudest[1:]
        change = np.r_[False, (before != after) & (before >= 0) & (after >= 0)]
        place = slice(first, min(first + len(talks), len(total)))
        total[place] += 1
        votes[place] += change[: place.stop - place.start]
    size = 2 * NEAR + 1
    near = size * uniform_filter1d(votes, size, mode="constant") / np.maximum(total, 1)
    edges = np.flatnonzero(np.diff(np.r_[0, (near > CHANGE - 1e-9).astype(np.int8), 0]))
    return (edges[::2] + edges[1::2]) // 2


def windows_of(local: Local, start: int, end: int) -> list[tuple[int, int]]:
    """Windows of a stretch, in frames: all of it, or such that overlap evenly."""
    length, hop = WINDOW / local.step, HOP / local.step
    if end - start <= 1.25 * length:
        return [(start, end)]
    count = int(np.ceil((end - start - length) / hop)) + 1
    starts = np.linspace(start, end - length, count)
    return [(round(one), round(one + length)) for one in starts]


def frames_of(
    stretches: list, windows: list[tuple[int, int, int]], labels: np.ndarray, length: int
) -> np.ndarray:
    """(length,) the speaker of each frame: of the window of its stretch whose middle is nearest;
    -1 for nobody."""
    who = np.full(length, -1)
    for number in dict.fromkeys(number for _, _, number in windows):
        start, end = stretches[number]
        mine = [place for place, window in enumerate(windows) if window[2] == number]
        middles = np.array([(windows[place][0] + windows[place][1]) / 2 for place in mine])
        borders = (middles[1:] + middles[:-1]) / 2
        who[start:end] = labels[np.array(mine)[np.searchsorted(borders, np.arange(start, end))]]
    return who


def others(local: Local, who: np.ndarray, people: int) -> np.ndarray:
    """(frames,) who else talks where two do at once, -1 for nobody.

    A speaker of one of the network's windows is the person that this one mostly is where it talks
    alone, if that is a second or more; two at once are believed where most windows hear the same.
    """
    votes, total = np.zeros((len(who), people)), np.zeros(len(who))
    for first, talks in zip(local.first, local.talks, strict=True):
        part = who[first : first + len(talks)]
        total[first : first + len(talks)] += 1
        talks = talks[: len(part)] > 0
        alone = talks.sum(axis=1) == 1
        for speaker in talks.T:
            known = part[speaker & alone]
            counts = np.bincount(known[known >= 0], minlength=people)
            if counts.sum() * local.step >= SURE and counts.max() >= MOSTLY * counts.sum():
                votes[first : first + len(part), counts.argmax()] += speaker & ~alone
    votes[np.arange(len(who)), np.maximum(who, 0)] = 0
    both = (local.count > 1) & (who >= 0) & (votes.max(axis=1, initial=0) > total / 2)
    return np.where(both, votes.argmax(axis=1), -1)


def spans(local: Local, who: np.ndarray) -> list[Span]:
    """Runs of frames of one speaker as (start, end, speaker)."""
    edges = np.flatnonzero(np.diff(np.r_[-1, who, -1]))
    return [
        (local.time(start), local.time(end), f"SPEAKER_{who[start]:02d}")
        for start, end in zip(edges[:-1], edges[1:], strict=True)
        if who[start] >= 0
    ]

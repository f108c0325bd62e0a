"""Diarization by voices: pyannote segmentation, then clustering of speaker embeddings.

The segmentation network finds speech, speaker changes and overlap; who is who is found from the
embeddings of a speaker backend (scripts/backends/clusters.py). The package's pipeline embeds what
the network takes for one speaker within ten seconds. With similar voices (11 kHz audio, background
music) the network merges two people, and no embedding can separate them again. So here windows of
two seconds between two pauses or changes are embedded, each once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from scripts.backends.clusters import speakers

WINDOW, HOP = 2.0, 1.0  # seconds: embedding window and hop within a stretch
SHORT = 0.8  # seconds: too short to recognise a voice (a word or two)
PAUSE = 0.1  # seconds of silence that separate two stretches
CHANGE = 0.5  # share of the network's windows that must agree on a speaker change
NEAR = 4  # frames on either side that count as the same change
SURE, MOSTLY = 1.0, 0.8  # seconds a window's speaker must talk alone; share by one person
EDGE = 10  # frames at either end of a stretch in which it is not cut

Span = tuple[float, float, str]


@dataclass(frozen=True)
class Local:
    """The network's output for each window of `length` frames: `talks` (windows, length, speakers)
    0 or 1, with speakers numbered separately in each; `first`, the recording's frame at which each
    begins; `count` (frames,), the rounded mean number of simultaneous speakers."""

    talks: np.ndarray
    first: np.ndarray
    count: np.ndarray
    start: float  # middle of frame 0, seconds
    step: float  # seconds per frame

    def time(self, frame: int) -> float:
        """The start of a frame in seconds."""
        return max(0.0, float(self.start + (frame - 0.5) * self.step))


def diarize(local: Local, audio: np.ndarray, embedder, rate: int) -> list[Span]:
    """(start, end, speaker) of (n,) float32 at `rate`; spans overlap where two talk at once."""
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
    """The speaker, from 0, of each window (start, end, stretch): those that are long enough are
    clustered, and the others go to the most similar speaker."""
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
    """(first frame, last frame + 1) of each stretch without a pause or a speaker change."""
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
    """The frames at which most of the network's windows have a speaker change."""
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
    """The windows of a stretch, in frames: all of it, or evenly overlapping ones."""
    length, hop = WINDOW / local.step, HOP / local.step
    if end - start <= 1.25 * length:
        return [(start, end)]
    count = int(np.ceil((end - start - length) / hop)) + 1
    starts = np.linspace(start, end - length, count)
    return [(round(one), round(one + length)) for one in starts]


def frames_of(
    stretches: list, windows: list[tuple[int, int, int]], labels: np.ndarray, length: int
) -> np.ndarray:
    """(length,) each frame's speaker, from its stretch's window with the nearest middle, or -1."""
    who = np.full(length, -1)
    for number in dict.fromkeys(number for _, _, number in windows):
        start, end = stretches[number]
        mine = [place for place, window in enumerate(windows) if window[2] == number]
        middles = np.array([(windows[place][0] + windows[place][1]) / 2 for place in mine])
        borders = (middles[1:] + middles[:-1]) / 2
        who[start:end] = labels[np.array(mine)[np.searchsorted(borders, np.arange(start, end))]]
    return who


def others(local: Local, who: np.ndarray, people: int) -> np.ndarray:
    """(frames,) the second speaker where two talk at once, else -1.

    A speaker of a window is taken for the person who mostly talks where that speaker is alone, if
    for a second or more; overlap counts where most windows agree on it.
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

"""Segments: stretches in which one person speaks, cut to the length of a clip (3 to 10 s).

Paper, section 3.1: "clean 3-10 second single-speaker clips"; it leaves open how they are cut. Here
the turns of all speakers are overlaid, and detected speech where one person talks alone is cut into
clips such that, in this order, the least speech is lost, no cut falls inside speech, clips contain
little silence, and clips are of even length. So a short piece joins a neighbour of the same speaker
(nobody else in between, a pause of at most `join_gap`) instead of being lost.

Diarization models place turn ends with a resolution of some hundred milliseconds, often inside a
word; an end inside detected speech is first moved to the nearest pause within .25 s.

Everything else keeps a row with the reason why it is not a clip. The rows of a medium are disjoint,
and their speech adds up to the speech detected in its turns.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scripts import backends
from scripts.backends.vad import VadBackend
from scripts.common import audio
from scripts.common.errors import UserError
from scripts.common.progress import progress
from scripts.rows.corpus import Recording, Segment, Turn
from scripts.rows.jsonl import content_id, given, read_rows, write_rows
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

Span = tuple[int, int]  # start and end in milliseconds: integers, so that sums are exact

CLIP_COST = 500  # ms: a longer pause separates two clips if both are long enough
CUT_EVERY = (
    1000  # ms: without enough pauses, speech may be cut at its quietest moment in each such block
)
FRAME = 20  # ms: window of the loudness
EDGE = 250  # ms by which the end of a turn may be moved (the usual tolerance of diarization)


class Talk(NamedTuple):
    """A turn in milliseconds."""

    start: int
    end: int
    speaker: str
    overlap: bool


class Stretch(NamedTuple):
    """Time in which the same person talks alone, or (alone=False) more than one person talks."""

    start: int
    end: int
    speaker: str  # the one who began first, if several talk
    alone: bool


def segment(
    vocals: Path,
    recordings: Path,
    turns: Path,
    segments: Path,
    vad: ModelSpec,
    shortest: float,
    longest: float,
    join_gap: float,
) -> None:
    """Write the segments of every recording, by medium and start.

    vocals: folder of mono 16 kHz FLAC, named by the rows of `recordings`; shortest, longest and
    join_gap are seconds. A medium without turns has no rows. Raises UserError for limits that no
    clip can satisfy.
    """
    if not 0 < shortest < longest:
        raise UserError(
            f"segment: clips of at least {shortest:g} s and at most {longest:g} s cannot be; "
            "`shortest` must be above 0 and below `longest`."
        )
    limits = Limits(to_ms(shortest), to_ms(longest), to_ms(join_gap))
    by_media: dict[str, list[Turn]] = defaultdict(list)
    for turn in read_rows(turns, Turn):
        by_media[turn.media].append(turn)
    usable = [row for row in read_rows(recordings, Recording) if row.id in by_media]
    usable.sort(key=lambda row: row.id)
    detector: VadBackend = backends.load_for(usable, vad)
    rows: list[Segment] = []
    due = audio.ahead(usable, lambda row: audio.read(vocals / given(row.file)))
    for row, samples in progress(due, len(usable), "segment"):
        speech = [(to_ms(start), to_ms(end)) for start, end in detector.speech(samples)]
        found = cut(row.id, by_media[row.id], speech, samples, limits)
        nobody = (total(speech) - sum(to_ms(segment.speech) for segment in found)) / 1000
        print(f"{row.id}: {len(found)} segments; {nobody:.1f} s of speech in nobody's turn")
        rows += found
    write_rows(segments, rows)


class Limits(NamedTuple):
    """In milliseconds."""

    shortest: int
    longest: int
    join_gap: int


def cut(
    media: str, turns: list[Turn], speech: list[Span], samples: np.ndarray, limits: Limits
) -> list[Segment]:
    """The segments of one medium, by start.

    speech: detected speech, sorted and disjoint; samples: (n,) at 16 kHz, used only to find
    quiet places inside long speech.
    """
    rows: list[Segment] = []
    runs: list[tuple[str, list[Span]]] = []
    joinable = False  # whether the next piece may join the last run

    def add_segment(start: int, end: int, speaker: str, spoken: int, dropped: str | None) -> None:
        times = {"start": start / 1000, "end": end / 1000, "speech": spoken / 1000}
        name = content_id(media, f"{times['start']:.3f}", f"{times['end']:.3f}")
        rows.append(Segment(id=name, media=media, speaker=speaker, dropped=dropped, **times))

    talks = [snapped(turn, speech) for turn in turns]
    for stretch in stretches([talk for talk in talks if talk.start < talk.end]):
        pieces = within(speech, stretch.start, stretch.end)
        if not stretch.alone:
            add_segment(*stretch[:3], total(pieces), "two speakers at once")
            joinable = False
        elif not pieces:
            add_segment(*stretch[:3], 0, "no speech found")
            joinable = False
        for piece in pieces if stretch.alone else []:
            same = joinable and runs[-1][0] == stretch.speaker
            if same and piece[0] - runs[-1][1][-1][1] <= limits.join_gap:
                runs[-1][1].append(piece)
            else:
                runs.append((stretch.speaker, [piece]))
            joinable = True
    for speaker, pieces in runs:
        for clip in best_clips(pieces, samples, limits):
            start, end = clip[0][0], clip[-1][1]
            short = end - start < limits.shortest
            reason = f"shorter than {limits.shortest / 1000:g} s" if short else None
            add_segment(start, end, speaker, total(clip), reason)
    return sorted(rows, key=lambda row: row.start)


def snapped(turn: Turn, speech: list[Span]) -> Talk:
    """A turn with its ends moved to nearby pauses. It may become empty."""
    start, end = (to_pause(to_ms(time), speech) for time in (turn.start, turn.end))
    return Talk(start, end, turn.speaker, turn.overlap)


def to_pause(time: int, speech: list[Span]) -> int:
    """The nearer edge of the speech around `time`, if it is less than EDGE away.

    It preserves the order of times, so disjoint turns stay disjoint.
    """
    number = bisect_right(speech, time, key=lambda span: span[1])
    if number == len(speech) or speech[number][0] >= time:
        return time
    nearest = min(speech[number], key=lambda edge: abs(edge - time))
    return nearest if abs(nearest - time) < EDGE else time


def stretches(talks: list[Talk]) -> list[Stretch]:
    """The time covered by turns, in order, split wherever the speaker changes."""
    waiting = sorted(talks, reverse=True)
    edges = sorted({time for talk in talks for time in (talk.start, talk.end)})
    talking: list[Talk] = []
    found: list[Stretch] = []
    for start, end in pairwise(edges):
        talking = [talk for talk in talking if talk.end > start]
        while waiting and waiting[-1].start <= start:
            talking.append(waiting.pop())
        if not talking:
            continue
        alone = len({talk.speaker for talk in talking}) == 1
        alone = alone and not any(talk.overlap for talk in talking)
        new = Stretch(start, end, talking[0].speaker, alone)
        last = found[-1] if found else None
        same = last and last.end == start and last.alone == alone
        if last and same and (not alone or last.speaker == new.speaker):
            found[-1] = last._replace(end=end)
        else:
            found.append(new)
    return found


def best_clips(pieces: list[Span], samples: np.ndarray, limits: Limits) -> list[list[Span]]:
    """Split a run of pieces of one speaker into clips of at most `longest`.

    Parts that cannot reach `shortest` stay short. Minimises the costs of the module's docstring by
    dynamic programming over the prefixes of the run.
    """
    if pieces[-1][1] - pieces[0][0] > limits.longest:
        block = max(FRAME, min(CUT_EVERY, limits.shortest // 2))
        pieces = [part for piece in pieces for part in cuttable(piece, samples, block)]
    best: list[tuple[tuple[int, ...], int]] = [((0, 0, 0, 0), 0)]
    for end in range(1, len(pieces) + 1):
        choices = []
        for begin in range(end - 1, -1, -1):
            clip = pieces[begin:end]
            if clip[-1][1] - clip[0][0] > limits.longest and len(clip) > 1:
                break
            inside = begin > 0 and pieces[begin - 1][1] == clip[0][0]
            added = cost(clip, inside, limits.shortest)
            choices.append((tuple(map(sum, zip(best[begin][0], added, strict=True))), begin))
        best.append(min(choices))
    clips, end = [], len(pieces)
    while end:
        begin = best[end][1]
        clips.append(pieces[begin:end])
        end = begin
    return clips[::-1]


def cost(clip: list[Span], cut_inside: bool, shortest: int) -> tuple[int, int, int, int]:
    """The cost of a clip: speech lost, a cut inside speech, silence (plus a cost per clip), and its
    length squared, whose sum is least for even lengths."""
    length = clip[-1][1] - clip[0][0]
    spoken = total(clip)
    lost = spoken if length < shortest else 0
    return lost, int(cut_inside), length - spoken + CLIP_COST, length**2


def cuttable(piece: Span, samples: np.ndarray, block: int) -> Iterator[Span]:
    """A piece of speech, split at the quietest moment of every `block` milliseconds."""
    start, end = piece
    step = FRAME * audio.RATE // 1000
    cuts = [start]
    for left in range(start + block, end - block, block):
        first = left * audio.RATE // 1000
        frames = samples[first : first + block * audio.RATE // 1000]
        frames = frames[: len(frames) // step * step].reshape(-1, step)
        quiet = int(np.square(frames).sum(axis=1).argmin()) if len(frames) else 0
        cuts.append(left + FRAME * quiet)
    return pairwise([*cuts, end])


def within(spans: list[Span], start: int, end: int) -> list[Span]:
    """The parts of sorted, disjoint `spans` that lie in [start, end)."""
    first = bisect_right(spans, start, key=lambda span: span[1])
    found = []
    for left, right in spans[first:]:
        if left >= end:
            break
        found.append((max(left, start), min(right, end)))
    return found


def total(spans: list[Span]) -> int:
    return sum(end - start for start, end in spans)


def to_ms(seconds: float) -> int:
    return round(seconds * 1000)


if __name__ == "__main__":
    stage.run(segment, globals().get("snakemake"))

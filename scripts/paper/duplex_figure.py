"""Duplex figure: time lines of conversations, one of each task, with marked events."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from scripts import backends
from scripts.common import audio as sounds
from scripts.paper.report.drawing import drawing
from scripts.paper.report.layout import write_csv
from scripts.rows.duplex import Conversation, DuplexItem, DuplexScore
from scripts.rows.jsonl import given, read_all
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

HEADER = ["system", "collection", "item", "task", "track", "kind", "start", "end", "text"]
EVENTS = {  # drawn behind the tracks; the user's own speech is a track
    "pause": "#f2d6a2",
    "turn_end": "#a9c9a4",
    "interruption": "#e3a59b",
    "backchannel": "#c8b6dc",
    "backchannel_place": "#d9cfe6",
    "bystander": "#b9d3e0",
    "noise": "#d4d4d4",
}
TRACKS = {"user": "#7f7f7f", "system": "#2f6f9f"}
TAKEN: dict[str, Any] = {"marker": "v", "color": "#b03a2e", "markersize": 6}
Span = tuple[float, float]


def duplex_figure(
    item_rows: list[Path],
    user_audio: list[Path],
    conversations: list[Path],
    audio: list[Path],
    scores: list[Path],
    figure_csv: Path,
    figure_pdf: Path,
    figure_svg: Path,
    figure_png: Path,
    systems: list[str],
    vad: ModelSpec,
) -> None:
    """Draw the first conversation of each task, for each of `systems`.

    Files and folders are in the same order: rows with `user_audio` by collection, conversations
    with `audio` and `scores` by system and collection. The upper track is the user's speech, the
    lower the system's, as the detector `vad` hears them; a triangle is where the system took the
    floor, by the corrected takeover of its activity. csv: one row a span.
    """
    folders = dict(zip(item_rows, user_audio, strict=True))
    users = {
        (row.collection, row.id): (row, folders[file])
        for file in item_rows
        for row in read_all([file], DuplexItem)
        if not row.dropped
    }
    takes = {
        (row.system, row.collection, row.id)
        for row in read_all(scores, DuplexScore)
        if row.metric == "takeover"
        and row.form == "corrected"
        and row.by == "activity"
        and row.value
    }
    chosen: dict[tuple[str, str], tuple[DuplexItem, Path, Path, str]] = {}
    for file, folder in zip(conversations, audio, strict=True):
        for side in sorted(read_all([file], Conversation), key=lambda row: row.id):
            key = side.collection, side.id
            if side.system in systems and not side.dropped and key in users:
                row, place = users[key]
                paths = row, place / row.audio, folder / given(side.audio), side.system
                chosen.setdefault((side.system, row.task), paths)
    detector = backends.load_for(chosen, vad)
    lines = []
    with drawing(7.2, 0.9 * max(2, len(chosen)) + 0.8, figure_pdf, figure_svg, figure_png) as page:
        panels = page.subplots(max(1, len(chosen)), 1, squeeze=False)[:, 0]
        for axes, (row, user, own, system) in zip(panels, chosen.values(), strict=False):
            tracks = {
                "user": detector.speech(sounds.read(user)),
                "system": detector.speech(sounds.read(own)),
            }
            taken = (system, row.collection, row.id) in takes
            _draw(axes, row, tracks, system, taken)
            lines += _lines(row, tracks, system)
        if chosen:
            panels[-1].set_xlabel("seconds")
        kinds = dict.fromkeys(line["kind"] for line in lines if line["kind"] in EVENTS)
        events = [Patch(color=EVENTS[kind], label=kind.replace("_", " ")) for kind in kinds]
        took = Line2D([], [], ls="", label="the system takes the floor", **TAKEN)
        page.legend(handles=[*events, took], loc="outside lower center", ncols=4)
    write_csv(lines, figure_csv, HEADER)


def _draw(axes: Axes, row: DuplexItem, tracks: dict[str, list], system: str, taken: bool) -> None:
    """One conversation: events behind, the user's track above the system's."""
    for event in row.events:
        if event.kind in EVENTS:
            width = max(event.end - event.start, 0.05)
            axes.axvspan(event.start, event.start + width, color=EVENTS[event.kind], lw=0)
    for height, (track, spans) in zip((1.1, 0.1), tracks.items(), strict=True):
        axes.broken_barh([(a, b - a) for a, b in spans], (height, 0.8), color=TRACKS[track])
    if taken and (at := took_over(row, tracks["system"])) is not None:
        axes.plot([at], [1.0], clip_on=False, **TAKEN)
    axes.set_title(f"{system}: {row.task.replace('_', ' ')} ({row.collection})", loc="left")
    axes.set_yticks([0.5, 1.5], ["system", "user"])
    axes.set_ylim(0, 2)
    axes.set_xlim(0, row.seconds)


def took_over(row: DuplexItem, spans: Iterable[Span]) -> float | None:
    """Where the system's speech begins in or after what the task is about; None: nowhere."""
    marked = [event.start for event in row.events if event.kind in EVENTS]
    if row.task == "interruption":  # an answer to it begins after it has begun
        return next((start for start, _ in spans if start >= min(marked, default=0.0)), None)
    starts = [start for start, end in spans if not marked or end > min(marked)]
    return max(starts[0], min(marked, default=0.0)) if starts else None


def _lines(row: DuplexItem, tracks: dict[str, list], system: str) -> list[dict]:
    """The csv rows of a conversation: marked events, then what is heard on each track."""
    about = {"system": system, "collection": row.collection, "item": row.id, "task": row.task}
    found = [about | {"track": "user"} | event.model_dump() for event in row.events]
    for track, spans in tracks.items():
        for start, end in np.round(spans, 3).tolist():
            found.append(about | {"track": track, "kind": "speech", "start": start, "end": end})
    return found


if __name__ == "__main__":
    stage.run(duplex_figure, globals().get("snakemake"))

"""Figure 3: utterance lengths of users and roles."""

from pathlib import Path
from statistics import median

from matplotlib.axes import Axes

from scripts.paper.report.drawing import COLOURS, drawing, say_empty
from scripts.paper.report.layout import write_csv
from scripts.paper.report.published import read_published
from scripts.rows.dialogues import Spoken
from scripts.rows.jsonl import read_all
from scripts.workflow import stage

HEADER = ["speaker", "source", "from_seconds", "to_seconds", "utterances"]


def figure3(
    published: Path,
    spoken: list[Path],
    figure_csv: Path,
    figure_pdf: Path,
    figure_svg: Path,
    figure_png: Path,
) -> None:
    """Count the utterances of this run by length, second by second, and draw their shares.

    The paper gives only a picture; `published` has the typical range of each speaker from its text,
    which is shaded. csv: `run` rows hold counts, `printed` rows the range only.
    """
    turns = [turn for row in read_all(spoken, Spoken) if not row.dropped for turn in row.turns]
    seconds = {
        "user": [turn.user_seconds for turn in turns],
        "role": [turn.role_seconds for turn in turns],
    }
    ranges = {row["speaker"]: row for row in read_published(published)}
    counts = {speaker: _count(values) for speaker, values in seconds.items()}
    rows = [row | {"source": "printed"} for row in ranges.values()]
    rows += [
        {"speaker": speaker, "source": "run", "from_seconds": start, "to_seconds": start + 1}
        | {"utterances": n}
        for speaker, found in counts.items()
        for start, n in enumerate(found)
    ]
    write_csv(rows, figure_csv, HEADER)
    with drawing(7.2, 3.2, figure_pdf, figure_svg, figure_png) as page:
        for axes, speaker in zip(page.subplots(1, 2), seconds, strict=True):
            _draw(axes, speaker, seconds[speaker], counts[speaker], ranges[speaker])


def _count(seconds: list[float]) -> list[int]:
    """The number of utterances of [0, 1) s, [1, 2) s, ..."""
    counts = [0] * (int(max(seconds, default=-1)) + 1)
    for value in seconds:
        counts[int(value)] += 1
    return counts


def _draw(axes: Axes, speaker: str, seconds: list[float], counts: list[int], typical: dict) -> None:
    low, high = typical["from_seconds"], typical["to_seconds"]
    label = f"paper (section 3.3): typically {low} to {high} s"
    axes.axvspan(low, high, color=COLOURS["printed"], alpha=0.5, lw=0, label=label)
    axes.set_title(f"{speaker.capitalize()} utterances")
    axes.set_xlabel("seconds")
    axes.set_ylabel("% of utterances")
    if seconds:
        shares = [100 * n / len(seconds) for n in counts]
        label = f"this run: n = {len(seconds)}, median {median(seconds):.1f} s"
        starts = range(len(counts))
        axes.bar(starts, shares, width=0.9, align="edge", color=COLOURS["run"], label=label)
    else:
        say_empty(axes, "no speech in this run")
    axes.set_xlim(0, max(len(counts), high) + 1)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))


if __name__ == "__main__":
    stage.run(figure3, globals().get("snakemake"))

"""Style and output of figures: the same data gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = {"printed": "#b8b8b8", "run": "#2f6f9f"}
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib; it has no Chinese glyphs
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "pdf.fonttype": 42,
    "text.parse_math": False,  # names are plain text, even with dollar signs
    "svg.hashsalt": "speechrole",
    "hatch.linewidth": 0.6,
}


@contextmanager
def drawing(width: float, height: float, pdf: Path, svg: Path, png: Path) -> Iterator[Figure]:
    """A figure of `width` x `height` inches, written to the three files when the block ends."""
    with matplotlib.rc_context(STYLE):
        page = Figure(figsize=(width, height), layout="constrained")
        yield page
        page.savefig(pdf, format="pdf", metadata={"CreationDate": None})
        page.savefig(svg, format="svg", metadata={"Date": None})
        page.savefig(png, format="png", dpi=160, metadata={"Software": None})


def say_empty(axes: Axes, text: str) -> None:
    """Write across a panel that has nothing to show."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#666666")

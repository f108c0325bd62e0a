"""Figure 5: the roles by language, gender and kind of source."""

from collections import Counter
from pathlib import Path

from matplotlib.axes import Axes

from scripts.paper.report.drawing import drawing, say_empty
from scripts.paper.report.layout import write_csv
from scripts.paper.report.published import LANGUAGES, read_published
from scripts.paper.report.role_table import played, synthetic
from scripts.workflow import stage

HEADER = ["source", "language", "category", "gender", "roles"]
GENDERS = {"Female": "#c8703c", "Male": "#3c6e96"}
OTHER = "#8a8a8a"


def figure5(
    published: Path,
    figure_csv: Path,
    figure_pdf: Path,
    figure_svg: Path,
    figure_png: Path,
    roles: list[dict[str, str]],
    media: list[dict[str, str]],
) -> None:
    """Count the printed roles and those of this run, and draw both side by side.

    `roles` and `media` are the rows of roles.tsv and media.tsv. csv: one row a source, language,
    category and gender that occurs.
    """
    own = played(roles)
    sources = {"printed": read_published(published), "run": own}
    counts = {
        source: Counter((row["language"], row["category"], row["gender"]) for row in rows)
        for source, rows in sources.items()
    }
    write_csv(
        [
            dict(zip(HEADER, (source, *key, n), strict=True))
            for source, found in counts.items()
            for key, n in sorted(found.items())
        ],
        figure_csv,
        HEADER,
    )
    categories = list(dict.fromkeys(row["category"] for rows in sources.values() for row in rows))
    bars = [(language, category) for language in LANGUAGES for category in categories]
    made_up = sum(synthetic(role, media) for role in own)
    titles = {
        "printed": f"Paper (printed): {len(sources['printed'])} roles",
        "run": f"This run: {len(own)} roles, {made_up or 'none'} synthetic",
    }
    with drawing(7.2, 3.4, figure_pdf, figure_svg, figure_png) as page:
        for axes, (source, found) in zip(
            page.subplots(1, 2, sharey=True), counts.items(), strict=True
        ):
            _draw(axes, found, bars)
            axes.set_title(titles[source])
        page.axes[0].legend(loc="center right")


def _draw(axes: Axes, counts: Counter, bars: list[tuple[str, str]]) -> None:
    """A bar for each language and category, stacked by gender, with counts."""
    genders = [*GENDERS, *sorted({gender for *_, gender in counts} - set(GENDERS))]
    left = [0] * len(bars)
    for gender in genders:
        found = [counts[(*bar, gender)] for bar in bars]
        colour = GENDERS.get(gender, OTHER)
        drawn = axes.barh(range(len(bars)), found, left=left, color=colour, label=gender)
        left = [a + b for a, b in zip(left, found, strict=True)]
    totals = [str(n) if n else "" for n in left]
    axes.bar_label(drawn, totals, padding=2, fontsize=7.5)
    axes.set_yticks(range(len(bars)), [f"{language}, {kind}" for language, kind in bars])
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlim(right=1.12 * max(left, default=1) or 1)
    axes.set_xlabel("roles")
    axes.locator_params(axis="x", integer=True)
    if not counts:
        say_empty(axes, "this run plays no roles")


if __name__ == "__main__":
    stage.run(figure5, globals().get("snakemake"))

"""Figure 2: a test dialogue of each of the three major task categories."""

from pathlib import Path

from scripts.paper.report.escape import md_inline, tex_text
from scripts.paper.report.latex import HEAD
from scripts.paper.report.published import read_published
from scripts.rows.dialogues import Dialogue
from scripts.rows.jsonl import read_all
from scripts.workflow import stage
from scripts.workflow.stage import final_name

TITLE = "Figure 2: test dialogues of the major task categories (this run)"
CAPTION = "Test dialogues of the major task categories, of this run (Figure 2 of the paper)"
# A caption outside a float, which could not break over pages.
CAPTIONED = r"{\makeatletter\def\@captype{figure}\makeatother\caption{%s}\label{%s}}"


def figure2(
    task_types: Path,
    test: list[Path],
    figure_md: Path,
    figure_tex: Path,
    roles: list[dict[str, str]],
) -> None:
    """Show the test dialogue with the lowest id of each category, and name categories without one.

    A category is found from the dialogue's sub-task by `task_types` (the printed Figure 4).
    """
    category = {row["subtask"]: row["category"] for row in read_published(task_types)}
    found: dict[str, Dialogue | None] = dict.fromkeys(category.values())
    rows = read_all(test, Dialogue)
    for row in sorted(rows, key=lambda row: row.id, reverse=True):
        if row.subtask in category:
            found[category[row.subtask]] = row
    names = {row["role"]: row["name"] for row in roles}
    label = f"fig:{figure_tex.parent.name}:{Path(final_name(figure_tex)).stem}"
    md, tex = [f"# {TITLE}"], [f"% {TITLE}\n{HEAD}", r"\begingroup\footnotesize"]
    for title, dialogue in found.items():
        md.append(f"## {md_inline(title)}")
        tex.append(rf"\paragraph{{{tex_text(title)}}}")
        if dialogue is None:
            none = f"None of the {len(rows)} test dialogues of this run is of this category."
            md.append(none)
            tex.append(none)
            continue
        name = names.get(dialogue.role, dialogue.role)
        about = _about(dialogue, name)
        md.append(f"*{md_inline(about)}*")
        md += [f"**{md_inline(who)}:** {md_inline(text)}" for who, text in _said(dialogue, name)]
        lines = [
            rf"\textbf{{{tex_text(who)}:}} {tex_text(text)}\par"
            for who, text in _said(dialogue, name)
        ]
        tex.append("\n".join([rf"\emph{{{tex_text(about)}}}\par", *lines]))
    Path(figure_md).write_text("\n\n".join(md) + "\n", encoding="utf-8")
    tex += [CAPTIONED % (CAPTION, label), r"\par\endgroup"]
    Path(figure_tex).write_text("\n\n".join(tex) + "\n", encoding="utf-8")


def _about(dialogue: Dialogue, name: str) -> str:
    """Role, language, topic, and whether the dialogue is synthetic."""
    kind = "single-turn" if dialogue.mode == "single" else f"{len(dialogue.turns)} turns"
    parts = [name, dialogue.language, kind, dialogue.subtask or "", f"written by {dialogue.model}"]
    if dialogue.synthetic:
        parts.append("the role's voice or script is synthetic")
    return "; ".join(parts)


def _said(dialogue: Dialogue, name: str) -> list[tuple[str, str]]:
    """(speaker, text) of every utterance, each on one line."""
    return [
        (who, " ".join(text.split()))
        for turn in dialogue.turns
        for who, text in (("User", turn.user), (name, turn.role))
    ]


if __name__ == "__main__":
    stage.run(figure2, globals().get("snakemake"))

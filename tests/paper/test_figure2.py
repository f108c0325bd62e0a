"""Figure 2: one test dialogue per task category, always the same one."""

from markdown_it import MarkdownIt

from scripts.paper.figure2 import figure2
from scripts.rows.dialogues import Exchange
from tests.paper.made_up import PUBLISHED, ROLES, dialogue, files

OPENS = ("open", "close")


def test_each_category_has_a_dialogue_or_says_that_it_has_none(tmp_path):
    turns = [
        Exchange(user="Why did you go?", role="She asked\nme."),
        Exchange(user="Who?", role="F"),
    ]
    rows = [
        dialogue("b", subtask="Skills and Abilities"),
        dialogue("a", "luyuanhang", subtask="Skills and Abilities"),
        dialogue("c", "faye", subtask="Reasoning and Motivation", mode="multi", turns=turns),
        dialogue("d", subtask=None),
    ]
    md, tex = tmp_path / "figure2.md", tmp_path / "figure2.tex"
    types = PUBLISHED / "figure4_task_types.tsv"
    figure2(types, files(tmp_path, "test", rows), md, tex, roles=ROLES)
    page = md.read_text("utf-8")
    heads = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert heads == ["Internal Reasoning", "Experiential Narration", "Social Communication"]
    assert "Faye; English; 2 turns; Reasoning and Motivation; written by tiny" in page
    assert "**Faye:** She asked me." in page and "**User:** Who?" in page
    assert "陆远航; Chinese; single-turn" in page and "synthetic" in page
    assert "**Joe:**" not in page  # the lowest id of a category is shown
    assert "None of the 4 test dialogues of this run is of this category." in page
    written = tex.read_text("utf-8")
    assert r"5 \% of the way" in written and r"\zhtext{陆远航}" in written
    assert r"\caption{Test dialogues" in written
    assert rf"\label{{fig:{tmp_path.name}:figure2}}" in written
    assert written.count(r"\begingroup") == written.count(r"\endgroup") == 1


def test_what_models_wrote_is_words_on_the_page(tmp_path):
    evil = "Hi <img src=x> ![t](http://e.example/p.png) [x](javascript:1)\n\n# Head"
    rows = [dialogue("a", turns=[Exchange(user=evil, role=evil)], model="<b>m")]
    md, tex = tmp_path / "figure2.md", tmp_path / "figure2.tex"
    roles = [{"role": "joe", "name": "[Joe](u) <script>"}]
    figure2(PUBLISHED / "figure4_task_types.tsv", files(tmp_path, "t", rows), md, tex, roles=roles)
    page = md.read_text("utf-8")
    tokens = MarkdownIt().parse(page)
    kinds = {child.type for token in tokens for child in token.children or ()}
    assert kinds == {"text", *(f"{name}_{end}" for name in ("em", "strong") for end in OPENS)}
    assert [t.tag for t in tokens if t.nesting == 1].count("h2") == 3
    assert r"**\[Joe\](u) &lt;script&gt;:** Hi &lt;img src=x&gt; !\[t\](http\://e.example" in page
    assert r"\textbf{{[}Joe{]}(u) \textless{}script" in tex.read_text("utf-8")

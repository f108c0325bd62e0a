"""The page with all tables and figures."""

from __future__ import annotations

from html.parser import HTMLParser

from scripts.paper.report.layout import Section
from scripts.paper.report.layout import markdown as page_of
from scripts.paper.summary import CAPTIONS, summary


class Seen(HTMLParser):
    """What a person sees of a page: the text of each kind of element, and the links in it."""

    def __init__(self, text: str):
        super().__init__()
        self.inside: list[str] = []
        self.text: dict[str, list[str]] = {}
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.inside.append(tag)
        self.links += [value for key, value in attrs if key in ("href", "id")]

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        for tag in self.inside[-2:]:
            self.text.setdefault(tag, []).append(data)


def test_tables_are_tables_and_figures_are_in_the_page(tmp_path):
    row = {"system": "<b>a_b</b> | c", "score": 0.5}
    section = Section([row, row | {"score": 0.25}], {"system": "System", "score": "Score"})
    section = Section(section.rows, section.columns, ranked=["score"])
    (tmp_path / "table2.md").write_text(page_of("Table 2: scores", [section], ["`x` <i>"]), "utf-8")
    (tmp_path / "figure3.svg").write_text("<svg></svg>", "utf-8")
    summary([tmp_path / "table2.md", tmp_path / "figure3.svg"], tmp_path / "page.html", "This run")
    text = (tmp_path / "page.html").read_text("utf-8")
    seen = Seen(text)
    assert seen.text["th"] == ["System", "Score"]
    assert "".join(seen.text["td"][:3]) == "<b>a_b</b> | c" or "<b>a_b</b> | c" in seen.text["td"]
    assert seen.text["strong"] == ["0.500"] and seen.text["ins"] == ["0.250"]
    assert seen.text["h1"] == ["Table 2: scores", "Figure 3"]
    assert [name for name in seen.links if name] == ["#table2", "#figure3", "table2", "figure3"]
    assert "Scores of all systems by language" in "".join(seen.text["em"])
    assert 'src="data:image/svg+xml;base64,PHN2Zz48L3N2Zz4="' in text
    assert "<i>" not in text and "<b>" not in text


def test_every_table_and_figure_has_a_caption():
    assert all(len(file.read_text("utf-8").strip()) > 20 for file in CAPTIONS.glob("*.rst"))

"""One page with all tables and figures, for a browser and for Snakemake's report."""

import html
from base64 import b64encode
from pathlib import Path

from markdown_it import MarkdownIt

from scripts.common.paths import ROOT
from scripts.workflow import stage

CAPTIONS = ROOT / "scripts" / "paper" / "captions"
KINDS = {".svg": "image/svg+xml", ".png": "image/png"}
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; }
h1 { border-top: 1px solid #ccc; padding-top: 1em; }
nav { columns: 15em; }
nav a { display: block; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: 13px; }
th, td { border: 1px solid #ddd; padding: 0.2em 0.6em; text-align: left; }
thead { background: #f3f3f3; }
img { max-width: 100%; }
"""


def summary(pages: list[Path], summary_html: Path, title: str) -> None:
    """Join `pages` (markdown and images of results/paper) to one self-contained HTML page with a
    list of contents. Each has its caption, captions/<name>.rst, above it."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    links, parts = [], []
    for page in pages:
        name = page.stem
        caption = html.escape((CAPTIONS / f"{name}.rst").read_text("utf-8").strip())
        if page.suffix == ".md":
            text = page.read_text("utf-8")
            shown = markdown.render(text)
            heading = html.escape(markdown.parse(text)[1].content.replace("\\", ""))
        else:
            data = b64encode(page.read_bytes()).decode("ascii")
            heading = name.replace("_", " ").replace("figure", "figure ").strip().capitalize()
            shown = f'<h1>{heading}</h1>\n<img src="data:{KINDS[page.suffix]};base64,{data}">'
        links.append(f'<a href="#{name}">{heading}</a>')
        shown = shown.replace("</h1>", f"</h1>\n<p><em>{caption}</em></p>", 1)
        parts.append(f'<section id="{name}">\n{shown}\n</section>')
    body = [f"<h2>{html.escape(title)}</h2>", "<nav>", *links, "</nav>", *parts]
    head = f'<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n<style>{STYLE}</style>'
    page_text = f"<!doctype html>\n<html>\n<head>\n{head}\n</head>\n<body>\n"
    summary_html.write_text(page_text + "\n".join(body) + "\n</body>\n</html>\n", encoding="utf-8")


if __name__ == "__main__":
    stage.run(summary, globals().get("snakemake"))

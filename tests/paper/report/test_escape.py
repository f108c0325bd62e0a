"""Text from others stays plain text on a page: never markup, in Markdown or in LaTeX."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from scripts.paper.report.escape import md_inline, md_paragraph, tex_text
from scripts.paper.report.layout import Section, latex, markdown

PAGE = MarkdownIt("commonmark").enable(["table", "strikethrough"])
EVIL = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "![t](http://evil.example/p.png)",
    "[x](javascript:alert(1))",
    "<http://evil.example>",
    "`<img src=x>``",
    "``<img src=x>`",
    "\\`<b>` `",
    "`a\\` <i> `b`",
    "[x]: http://evil.example",
    "![x][y]",
    "&lt;script&gt; &#60;",
    "# Heading",
    "- item",
    "1. item",
    "10) item",
    "> quote",
    "---",
    "===",
    "| a | b |",
    "~~~",
    "```",
    "**bold** _it_ __b__ ~~s~~",
    "a\n\n# b",
    "a\u2028# b",
    "<!-- no end",
    "`a|b` | `c`",
]
SIGNS = st.sampled_from("`\\<>![]()*_~|#-+=.:/&;\"'\n1ab $^{}%@")
TEXT = st.text(SIGNS, max_size=24) | st.sampled_from(EVIL) | st.text(max_size=24)
HARMLESS = {"paragraph_open", "paragraph_close", "inline", "text", "code_inline"}


def kinds(page):
    """The token types of a page, including inline ones."""
    tokens = PAGE.parse(page)
    return {t.type for t in tokens} | {c.type for t in tokens for c in t.children or ()}


def shown(page):
    """The text that a reader of the page sees."""
    inside = [c for t in PAGE.parse(page) for c in t.children or ()]
    return "".join(token.content for token in inside)


def words(text):
    """The visible characters of a text, without blanks, backticks and invisible marks."""
    return re.sub("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069`]", "", "".join(text.split()))


@pytest.mark.parametrize("text", EVIL)
def test_markup_of_others_is_shown_as_it_is(text):
    assert kinds(md_paragraph(text)) <= HARMLESS
    assert words(shown(md_paragraph(text))) == words(text)


@given(TEXT)
def test_any_text_is_a_paragraph_of_words(text):
    page = md_paragraph(text)
    assert kinds(page) <= HARMLESS
    assert words(shown(page)) == words(text)


@given(TEXT, TEXT)
def test_any_text_is_one_cell_and_one_heading(first, second):
    section = Section([{"a": first, "b": second}], {"a": first or "a", "b": "b"}, "s" + second)
    tokens = PAGE.parse(markdown("t" + first, [section], []))
    names = [token.type for token in tokens]
    assert (names.count("heading_open"), names.count("td_open")) == (2, 2)
    inside = {child.type for token in tokens for child in token.children or ()}
    assert inside <= {"text", "code_inline"}
    assert "html_block" not in names


def test_code_stays_code_and_numbers_stay_numbers():
    assert md_inline("the judge `a_b <x>`, *so*") == r"the judge `a_b <x>`, \*so\*"
    assert md_inline("-0.250 to +0.125 (14 / 2)") == "-0.250 to +0.125 (14 / 2)"
    assert md_inline("in_domain, R&D") == "in_domain, R&D"
    assert md_paragraph("-0.25 is low") == r"\-0.25 is low"


@pytest.mark.parametrize("address", ["http://e.example", "HTTPS://e.example", "www.e.example"])
def test_an_address_is_no_link(address):
    """GitHub makes a link of a bare address, which this parser does not."""
    text = md_inline(f"see {address}/p.png")
    assert address not in text and html.unescape(shown(text)) == f"see {address}/p.png"


def test_what_turns_words_around_or_ends_a_line_is_gone():
    assert md_inline("a\u202eb\x07c\r\nd") == tex_text("a\u202eb\x07c\r\nd") == "abc d"


@given(st.lists(st.sampled_from("[]* a{}\\&%") | st.characters(), max_size=12).map("".join))
def test_no_row_of_latex_begins_with_what_it_would_take_for_an_argument(text):
    section = Section([{"a": text, "b": "b"}] * 2, {"a": text or "a", "b": "b"})
    page = latex("t", [section], [], "tab:t")
    body = page.split(r"\toprule")[1].split(r"\midrule")[0]
    body += page.split(r"\endlastfoot")[1].split(r"\end{longtable}")[0]
    assert not re.search(r"(\\\\|^)\s*[\[*]", body)
    assert body.count(r"\\") == 3 and len(re.findall(r"(?<!\\)&", body)) == 3


@given(TEXT | st.text(st.characters(min_codepoint=0x80), max_size=24))
def test_only_chinese_is_left_to_fonts_in_latex(text):
    """Any other character is one that every engine has, or is named by its code."""
    rest = re.sub(r"\\zhtext\{[^{}]*\}", "", tex_text(text))
    assert rest.isascii()


def test_greek_letters_accents_and_signs_are_commands():
    assert tex_text("Spearman's ρ, α ≤ Ω") == r"Spearman's $\rho$, $\alpha$ $\le$ $\Omega$"
    assert tex_text("hutaο") == "huta$o$"  # a Greek omicron, as the paper prints it
    assert tex_text("é ß “a” – 5 °") == r"\'{e} \ss{} ``a'' -- 5 $^\circ$"
    assert tex_text("`ρ` 陆远航, Ж") == r"\texttt{$\rho$} \zhtext{陆远航}, {[}U+0416{]}"


@pytest.mark.parametrize("name", ["[v1] Joe", "*Joe", "[", "*"])
def test_a_name_in_brackets_is_whole_in_latex(name):
    assert not tex_text(name).startswith(("[", "*"))
    assert tex_text(name).replace("{", "").replace("}", "") == name

"""Table 3 lists every system of this run in both domains, next to the printed rows."""

import pytest

from scripts.common.errors import UserError
from scripts.paper.report.published import PAPER_METRICS
from scripts.paper.report.scores import header
from scripts.paper.table3 import table3
from tests.paper.made_up import (
    PUBLISHED,
    ROLES,
    SYSTEMS,
    cells,
    dialogue,
    expected,
    files,
    outputs,
    reply,
    verdicts,
)

ITEMS = [dialogue("a"), dialogue("b", "faye"), dialogue("c", "luyuanhang")]
SCORES = [v for row in ITEMS for name in SYSTEMS for v in verdicts(row, name, 6)]


def build(tmp_path, scores):
    table3(
        PUBLISHED / "table3.tsv",
        files(tmp_path, "verdicts", scores),
        [],
        PUBLISHED / "roles.tsv",
        files(tmp_path, "replies", [reply(row, name) for row in ITEMS for name in SYSTEMS]),
        files(tmp_path, "test", ITEMS),
        **outputs(tmp_path),
        systems=SYSTEMS,
        roles=ROLES,
        max_missing=0.01,
        about_judge=[],
        expected=expected(SCORES),
    )
    return cells(tmp_path / "table.csv")


def test_rows_that_are_gone_are_missing(tmp_path):
    with pytest.raises(UserError, match="3 of the 24 scores of bare by objective are missing"):
        build(tmp_path, SCORES[:-3])


def test_every_system_is_in_both_domains(tmp_path):
    rows = build(tmp_path, SCORES)
    assert list(rows[0]) == header(PAPER_METRICS)
    run = {(r["language"], r["domain"], r["system"]): r for r in rows if r["source"] == "run"}
    assert len(run) == 8
    assert run["English", "out_of_domain", "good"]["IA_n"] == "1"
    assert run["Chinese", "out_of_domain", "good"]["IA"] == ""
    printed = [row for row in rows if row["source"] == "printed"]
    assert len(printed) == 8 and printed[0]["domain"] == "in_domain"
    page = (tmp_path / "table.md").read_text("utf-8")
    assert "Left out, as there are no items of it: Chinese, out_of_domain." in page
    own = [line for line in page.splitlines() if "| this run" in line]
    assert len(own) == 6 and not any("–" in line for line in own)
    assert "## Scored / missing, this run, English, in_domain (under 5 roles: no intervals)" in page
    assert "| IA | 1 / 0 | 1 / 0 |" in page and "– (1 / 0)" not in page
    assert (
        "| English | in_domain | SpeechRole-Agent | gemini-2.5-pro | paper (printed) | **0.806**"
        in page
    )


def test_the_best_value_is_the_best_of_its_domain(tmp_path):
    build(tmp_path, SCORES)
    page = (tmp_path / "table.md").read_text("utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if "paper (printed)" in line]
    best = {(row[0], row[1]): row[5] for row in rows if row[5].startswith("**")}
    assert len(best) == 4  # two languages, two domains

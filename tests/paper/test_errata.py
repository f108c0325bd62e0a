"""errata: figures computed from the printed tables."""

import pytest
import yaml

from scripts.common.documents import check
from scripts.common.errors import UserError
from scripts.common.paths import ROOT
from scripts.common.tables import read_table
from scripts.paper.errata import errata
from scripts.paper.report.escape import md_inline
from tests.paper.made_up import PUBLISHED, cells, outputs

ENDS = read_table(ROOT / "config/service_ends.tsv", "service_ends")
OVERLAYS = ("paper", "config", "open")


def test_disagreements_are_listed_with_evidence(tmp_path):
    tables = {name: PUBLISHED / f"{name}.tsv" for name in ("table2", "table3", "table4")}
    errata(**tables, published_roles=PUBLISHED / "roles.tsv", **outputs(tmp_path), services=ENDS)
    rows = {row["where"]: row for row in cells(tmp_path / "table.csv")}
    assert [row["printed"] for row in rows.values()][:4] == [
        *("hutaο", "liyulong", "jiuzozhi", "Stanley Ipkiiss"),
    ]
    overall = rows["Table 3, Chinese, in_domain, SpeechRole-Agent, overall"]
    assert (overall["printed"], overall["found"]) == ("0.843", "0.8436")
    strong = rows["Section 5.4, Table 5"]
    assert strong["found"] == "none of 8 significant at .05"
    assert "n = 6 systems; the least p is 0.103 (SF)" in strong["evidence"]
    assert rows["Section 3.2"]["printed"] == "whisper-medium-v3"
    assert len(rows) == 7


def test_the_page_says_what_is_known_of_the_end_of_each_service(tmp_path):
    tables = {name: PUBLISHED / f"{name}.tsv" for name in ("table2", "table3", "table4")}
    errata(**tables, published_roles=PUBLISHED / "roles.tsv", **outputs(tmp_path), services=ENDS)
    page = (tmp_path / "table.md").read_text("utf-8")
    _, section = page.split("## The services of the paper")
    for row in ENDS:
        (line,) = [
            x for x in section.splitlines() if x.startswith(f"| {md_inline(row['service'])} ")
        ]
        assert md_inline(row["end"]) in line and md_inline(row["source"]) in line
    assert (
        "| gemini-2.5-pro | is the judge | announced: from 2026-12-01 gemini-3.8-flash" in section
    )
    assert {row["end"] for row in ENDS if not row["source"]} == {"unknown"}


def test_the_services_of_the_paper_have_a_row_and_stand_ins_of_the_config():
    overlays = [yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in OVERLAYS]
    models = {name: model for each in overlays for name, model in each["models"].items()}
    named = {name for row in ENDS for name in row["stands_in"].split(", ") if name}
    assert named <= set(models)
    asked = {models[name]["model"] for name in ("gpt-4.1", "qwen-plus-character", "gemini-2.5-pro")}
    asked |= {models[name]["model"] for name in ("paraformer-realtime", "cosyvoice-v2")}
    assert asked | {"gpt-4o-audio-preview"} <= {row["service"] for row in ENDS}


@pytest.mark.parametrize(
    ("end", "date", "source"),
    [
        ("gone", "", "a page"),
        ("gone", "2026-05", ""),
        ("gone", "soon", "a page"),
        ("unknown", "2026-05", ""),
        ("", "", ""),
    ],
)
def test_an_end_without_date_and_source_is_refused(end, date, source):
    row = {**ENDS[0], "end": end, "date": date, "source": source}
    with pytest.raises(UserError, match=r"line 4: (end|date|source): "):
        check(row, "service_ends", "line 4")

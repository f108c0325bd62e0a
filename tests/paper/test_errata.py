"""errata: figures computed from the printed tables."""

from scripts.paper.errata import errata
from tests.paper.made_up import PUBLISHED, cells, outputs


def test_disagreements_are_listed_with_evidence(tmp_path):
    tables = {name: PUBLISHED / f"{name}.tsv" for name in ("table2", "table3", "table4")}
    errata(**tables, published_roles=PUBLISHED / "roles.tsv", **outputs(tmp_path))
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

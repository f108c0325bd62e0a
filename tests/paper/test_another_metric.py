"""A ninth metric: one more row in metrics.tsv, and every table includes it."""

from __future__ import annotations

import re

import pytest

from scripts.backends.judge import read_metrics
from scripts.common.paths import ROOT
from scripts.paper.agree import agree
from scripts.paper.compare import compare
from scripts.paper.differences import differences
from scripts.paper.errata import errata
from scripts.paper.judge_audit import judge_audit
from scripts.paper.report.expected import PROBES
from scripts.paper.report.published import PAPER_METRICS
from scripts.paper.table2 import table2
from scripts.paper.table3 import table3
from scripts.paper.table4 import table4
from scripts.paper.table5 import table5
from scripts.rows.judging import Probe
from scripts.workflow.model_spec import ModelSpec
from tests.paper.made_up import PUBLISHED, ROLES, SYSTEMS, cells, dialogue, files, outputs, verdicts

ITEMS = [dialogue(f"i{n}", ("joe", "faye")[n % 2], idx=n) for n in range(4)]
JUDGES = {"objective": ModelSpec("judge", "objective")}
PRINTED = {f"table{n}": PUBLISHED / f"table{n}.tsv" for n in range(1, 6)}
ABOUT = ["A word on the judge."]
SHIPPED = sorted(PUBLISHED.glob("released_scores_*.csv"))


@pytest.fixture
def metrics(tmp_path):
    """The ids of a metrics table with a ninth one."""
    table = tmp_path / "metrics.tsv"
    eight = (ROOT / "config/metrics.tsv").read_text("utf-8").splitlines(keepends=True)[:9]
    table.write_text("".join(eight) + "Wit\tWit\tHumour\tHow funny is it?\n", "utf-8")
    return [row.id for row in read_metrics(table)]


@pytest.fixture
def run(tmp_path, metrics):
    """The inputs of the tables for a run with nine metrics."""
    scored = [
        row.model_copy(update={"metric": metric})
        for item in ITEMS
        for system, score in (("good", 8), ("bare", 4))
        for row, metric in zip([*verdicts(item, system, score)] * 2, metrics, strict=False)
    ]
    asked = [Probe(**row.model_dump(), probe=name) for row in scored for name in PROBES]
    lines = ["rater system role mode idx metric score"]
    lines += [f"r1 {v.system} {v.role} single {v.idx} {v.metric} {v.score_test:g}" for v in scored]
    (tmp_path / "ratings.tsv").write_text("\n".join(lines).replace(" ", "\t") + "\n", "utf-8")
    return {
        "verdicts": files(tmp_path, "verdicts", scored),
        "test": files(tmp_path, "test", ITEMS),
        "probes": files(tmp_path, "probes", asked),
        "expected": {"systems": ["good", "bare"], "judges": ["objective"], "metrics": metrics},
    }


def written(tmp_path):
    return cells(tmp_path / "table.csv"), (tmp_path / "table.md").read_text("utf-8")


def scores(run, **more):
    kept = {key: run[key] for key in ("verdicts", "test", "expected")}
    kept |= {"published_roles": PUBLISHED / "roles.tsv", "roles": ROLES, "about_judge": ABOUT}
    return kept | more


@pytest.mark.parametrize("table, printed", [(table2, "table2"), (table3, "table3")])
def test_tables_2_and_3_print_it_beside_the_papers(tmp_path, run, table, printed):
    more = {"ablations": {}} if table is table2 else {}
    table(
        published=PRINTED[printed], released=[], replies=[], systems=SYSTEMS, max_missing=0,
        **scores(run), **more, **outputs(tmp_path),
    )  # fmt: skip
    rows, page = written(tmp_path)
    own = [row for row in rows if row["source"] == "run" and row["overall"]]
    assert {row["Wit"] for row in own} == {"1.0", "0.5"} == {row["overall"] for row in own}
    assert {row["Wit_n"] for row in own} and {row["overall_missing"] for row in own} == {"0"}
    assert {row["Wit"] for row in rows if row["source"] == "printed"} == {""}
    assert "| KC | Wit | Overall |" in page and re.search(r"\| – \| \W*0\.", page)


def test_differences_have_it(tmp_path, run):
    differences(released=[], max_missing=0, **scores(run), **outputs(tmp_path))
    assert ABOUT[0] in written(tmp_path)[1]
    rows, page = written(tmp_path)
    assert {row["difference"] for row in rows if row["metric"] == "Wit"} == {"0.5"}
    assert "Holm's method over the 9 metrics" in page


def test_ratings_of_it_are_read(tmp_path, run, metrics):
    people = {"systems": ["good", "bare"], "roles": ["joe", "faye"]}
    people |= {"ratings": tmp_path / "ratings.tsv"}
    table4(published=PRINTED["table4"], metrics=metrics, **people, **outputs(tmp_path))
    assert [r["mean"] for r in written(tmp_path)[0] if r["metric"] == "Wit"] == ["8.0", "4.0"]
    judged = {key: run[key] for key in ("verdicts", "test", "expected")} | {"about_judge": ABOUT}
    table5(
        published=PRINTED["table5"], human=PRINTED["table4"], automatic=PRINTED["table2"],
        **people, **judged, **outputs(tmp_path),
    )  # fmt: skip
    rows, page = written(tmp_path)
    (row,) = [row for row in rows if row["metric"] == "Wit"]
    assert ABOUT[0] in page and (row["source"], row["spearman_rho"]) == ("run", "1.0")
    agree(judges=JUDGES, **people, **judged, **outputs(tmp_path))
    rows, page = written(tmp_path)
    assert [row for row in rows if row["metric"] == "Wit"] and ABOUT[0] in page


def test_the_audit_has_it(tmp_path, run, monkeypatch):
    monkeypatch.setattr(
        "scripts.paper.judge_audit._chosen",
        lambda *_: [(item, system) for item in ITEMS for system in ("good", "bare")],
    )
    judge_audit(
        replies=[], spoken=[], judges=JUDGES, number=8, about_judge=ABOUT, **run,
        **outputs(tmp_path)
    )  # fmt: skip
    rows, page = written(tmp_path)
    assert ABOUT[0] in page
    assert {row["missing"] for row in rows} == {"0"}
    assert [row["shift"] for row in rows if (row["probe"], row["metric"]) == ("louder", "Wit")]
    assert "| KC | Wit |" in page


def test_what_is_printed_has_eight(tmp_path, metrics):
    compare(
        **PRINTED, published_roles=PUBLISHED / "roles.tsv", released=SHIPPED, roles=ROLES,
        metrics=metrics, **outputs(tmp_path),
    )  # fmt: skip
    rows, _ = written(tmp_path)
    assert {row["cell"] for row in rows if row["table"] == "Table 2"} == {*PAPER_METRICS, "overall"}
    tables = {name: PRINTED[name] for name in ("table2", "table3", "table4")}
    errata(**tables, published_roles=PUBLISHED / "roles.tsv", **outputs(tmp_path), services=[])
    assert "of 8 significant" in written(tmp_path)[1]


def test_released_scores_may_have_it_and_need_not(tmp_path, run):
    header, first, *_ = SHIPPED[0].read_text("utf-8").splitlines()
    cell = dict(zip(header.split(","), first.split(","), strict=True))
    more = tmp_path / "more.csv"
    line = ",".join((cell | {"metric": "Wit", "score_test": "9", "score_ref": "9"}).values())
    more.write_text(f"{header}\n{line}\n", "utf-8")
    kept = scores(run, verdicts=[], test=[], systems={}, ablations={}, replies=[], max_missing=1)
    table2(
        published=PRINTED["table2"], released=[*SHIPPED, more], **kept, **outputs(tmp_path)
    )  # fmt: skip
    found = [row for row in written(tmp_path)[0] if row["source"] == "run" and row["overall"]]
    assert {(row["Wit_n"], row["Wit_missing"]) for row in found} >= {("1", "63")}
